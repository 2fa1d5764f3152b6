"""What columns and events are called in other shops' logs, and how to recognise a value."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from features.events import KINDS

_FIELDS: Final[Mapping[str, str]] = {
    "time": "clockms timestamp ts tsms eventtimestamp eventtime datetime time createdat created occurredat "
    "servertime clienttimestamp timestampms unixtime epoch eventdatetime receivedat collectortstamp "
    "derivedtstamp eventts timems times eventdate invoicedate orderdate date tdat day datum zeit "
    "zeitpunkt uhrzeit tijd tijdstip datumtijd heure horodatage dateheure fecha hora fechahora when",
    "visitor": "visitorid visitor userpseudoid clientid anonymousid fullvisitorid domainuserid cookieid deviceid "
    "browserid uuid cid guestid tactvisitor besucher besucherid besuchernr bezoeker bezoekerid "
    "visiteur visitante client cliente",
    "user": "userid user uid customerid customer memberid accountid shopperid buyerid loginid custid clientnumber "
    "kundennummer kundennr kundeid kunde klant klantid klantnummer idclient idcliente benutzer benutzerid nutzer "
    "nutzerid gebruiker gebruikerid utilisateur usuario userident person personid profileid",
    "session": "sessionid session usersession sid visitid sess gasessionid sessid domainsessionid sitzung sessie "
    "sesion",
    "event": "event eventtype eventname action actiontype type behavior behaviour behaviortype interaction "
    "interactiontype activity activitytype eventaction ereignis ereignistyp aktion aktionstyp actie actietype "
    "gebeurtenis handeling evenement typeevenement typeaction accion tipoaccion evento tipoevento azione verb op kind",
    "item": "itemid item productid product sku aid articleid article asin goodsid stockcode productsku pid iid "
    "offerid contentid variantid productcode itemsku artikel artikelid artikelnummer artikelnr itemsitemid prodid "
    "itemnumber produkt produktid produktnummer produit produitid idproduit producto idproducto prodotto articulo "
    "artikelcode",
    "category": "categorycode category categoryid itemcategory productcategory cat catid itemcategoryid categoryname "
    "productcategoryid department kategorie warengruppe categorie categoria categorypath "
    "itemsitemcategory",
    "price": "price unitprice itemprice productprice amount preis prix pricenum saleprice itemsprice priceeur "
    "priceusd prijs precio prezzo einzelpreis betrag cost",
    "quantity": "quantity qty units menge anzahl itemquantity itemsquantity numitems stueck stuck "
    "aantal quantite cantidad",
    "order": "transactionid orderid transaction order invoiceno invoice ordernumber purchaseid "
    "ecommercetransactionid bestellnummer bestellnr bestellung basketid receiptid checkoutid",
    "value": "value revenue total totalprice ordervalue eventvalue ecommercepurchaserevenue turnover umsatz",
    "query": "searchterm query searchquery keywords searchstring searchphrase suchbegriff",
    "shop": "shop shopid store tenant website siteid",
    "page_type": "pagetype",
    "channel": "channel medium trafficmedium trafficsourcemedium utmmedium",
    "referrer": "referrer referer",
    "device": "device devicetype devicecategory",
    "locale": "locale language devicelanguage lang",
    "action": "promotionid campaignaction",
    "placement": "placement creativeslot",
    "decision": "decisionid",
    "event_id": "eventid messageid hitid insertid",
    "line": "line lineno linenumber",
    "name": "customname",
}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {field: tuple(names.split()) for field, names in _FIELDS.items()}
"""Our fields and the names they have elsewhere, in plain letters and digits, the most telling first."""

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "time": ("timestamp", "time", "date"),
    "session": ("session",),
    "visitor": ("visitor", "cookie", "device_id", "anonymous", "guest", "client", "browser", "besucher"),
    "user": ("user", "customer", "member", "shopper", "account", "person", "kunde"),
    "item": ("item", "product", "article", "sku", "goods", "artikel"),
    "event": ("event", "action", "behavio", "activity"),
    "category": ("categor", "kategorie"),
    "price": ("price", "preis", "amount"),
    "quantity": ("quantity", "qty"),
    "order": ("transaction", "order_id", "invoice", "receipt"),
}
"""Pieces of a name that tell what it is where no whole name did."""

VIEW, CLICK, CHECKOUT, SKIP = "view", "click", "checkout", "skip"
"""Targets that depend on the log: see kinds.py. SKIP leaves a row out on purpose."""

_EVENTS: Final[Mapping[str, str]] = {
    VIEW: "view views viewed detail details productview productviewed viewproduct productdetail productdetailview "
    "productdetails detailview pdp pdpview pageview pageviewed pageviews pv viewcontent itemview viewitemdetail "
    "viewedproduct visit hit ansicht browse browsed look seen open productpage productpageview",
    CLICK: "click clicks clicked clk itemclick productclick productclicked",
    CHECKOUT: "checkout",
    "select_item": "selectitem selectcontent",
    "add_to_cart": "addtocart cart carts add2cart addtobasket basket addtobag cartadd atc productadded addcart "
    "incart addedtocart addproduct add added warenkorb addtocartevent basketadd tocart",
    "remove_from_cart": "removefromcart cartremove removecart productremoved removefrombasket remove removed rfc "
    "deletefromcart cartdelete removedfromcart basketremove uncart",
    "add_to_wishlist": "addtowishlist fav favorite favourite favorites wishlist like likes liked collect "
    "productaddedtowishlist addtofavorites bookmark save saved merkliste",
    "view_cart": "viewcart cartview cartviewed showcart basketview cartpage",
    "begin_checkout": "begincheckout checkoutstarted startcheckout initiatecheckout checkoutstart checkoutbegin",
    "add_shipping_info": "addshippinginfo shipping checkoutshipping",
    "add_payment_info": "addpaymentinfo payment paymentinfoentered checkoutpayment",
    "purchase": "purchase purchases purchased transaction transactions buy buys bought order orders ordered "
    "ordercompleted orderplaced completepurchase checkoutcompleted sale sales conversion kauf bestellung "
    "acquisto achat paid ecommercepurchase payed buying",
    "refund": "refund refunds refunded return returned returns orderrefunded",
    "search": "search searches searched searching productssearched viewsearchresults sitesearch query suche "
    "searchresults",
    "view_item_list": "viewitemlist impression impressions categoryview viewcategory listview plp list viewlist "
    "productlistviewed listing categorypage itemlist imp",
    "login": "login logins signin loggedin signedin",
    "sign_up": "signup register registration registered completeregistration signedup accountcreated",
    "view_promotion": "promotionviewed promoview",
    "select_promotion": "promotionclicked promoclick",
    SKIP: "sessionstart sessionend firstvisit userengagement scroll firstopen appopen filedownload videostart "
    "videoprogress videocomplete",
}

EVENT_TARGETS: Final[Mapping[str, str]] = {
    **{kind.replace("_", ""): kind for kind in KINDS if kind not in ("custom", "page_view")},
    **{name: target for target, names in _EVENTS.items() for name in names.split()},
}
"""What a log's event name becomes, by its plain letters."""

MISSING: Final = (
    "", "null", "NULL", "Null", "nan", "NaN", "NAN", "None", "none", "NONE", "\\N", "N/A", "n/a", "NA", "<NA>", "nil",
    "NaT", "undefined", "(not set)", "(null)",
)  # fmt: skip
"""Texts that mean that there is no value."""

_NUMBER: Final = re.compile(r"[+-]?\d+([.,]\d+)?")
_DATE: Final = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")


def plain(name: str) -> str:
    """A name in lower case without anything but letters and digits, letters without their accents."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKD", name.casefold()))


def looks_like_data(fields: Sequence[str]) -> bool:
    """Whether a first line is a row, not a header: a number or a date stands in it, and no name known to us."""
    known = {name for names in FIELDS.values() for name in names}
    if any(plain(field) in known for field in fields):
        return False
    return any(_NUMBER.fullmatch(field.strip()) or _DATE.fullmatch(field.strip()) for field in fields)
