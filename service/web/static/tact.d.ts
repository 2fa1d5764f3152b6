/** Types of Tact's browser client, /tact.js. Reference it, or copy it: `/// <reference path="tact.d.ts" />`. */

declare namespace Tact {
  type Purpose = "analytics" | "personalization" | "marketing";
  type PageType =
    | "home" | "list" | "product" | "cart" | "checkout" | "search" | "delivery" | "returns" | "contact" | "account" | "thank_you" | "store"
    | "content" | "other";
  type Kind =
    | "badge" | "hint" | "bar" | "chat" | "recommend" | "availability" | "loyalty" | "search_help" | "survey" | "welcome" | "account" | "care"
    | "compare";

  /** A line of an event, with GA4's names. */
  interface Item {
    item_id: string;
    item_category?: string;
    /** Of one unit. */
    price?: number;
    quantity?: number;
    [ga4: string]: unknown;
  }

  /** What a visitor did: a name of GA4's e-commerce events, one of Tact's own, or one of the policy's custom events. */
  interface Event {
    event: string;
    event_id?: string;
    items?: Item[];
    item_id?: string;
    value?: number;
    query?: string;
    transaction_id?: string;
    [field: string]: unknown;
  }

  /** What the page says of itself: data-page of the tag, or tact.page(). */
  interface Page {
    page_type?: PageType;
    item_id?: string;
    category?: string;
    query?: string;
    cart_item_ids?: string[];
    /** BCP 47, such as nl-BE; else the page's lang, else the browser's. */
    locale?: string;
    /** ISO 4217, of the prices in a product row; EUR if not said. */
    currency?: string;
    /** What happened by opening it; a page_view if not said. */
    events?: Event[];
    /** Instead of the built-in words: the close button's, "in stock", the chat button's. */
    words?: [dismiss: string, inStock: string, chat: string];
  }

  interface Product {
    item_id: string;
    title: string;
    url: string;
    image: string;
    price: number | null;
    reason: string;
    reason_code: string;
    because: string | null;
  }

  /** A placement that got a message. */
  interface Chosen {
    action: string;
    kind: Kind;
    content: { title?: string; text?: string; cta?: string; url?: string; image?: string; [more: string]: string | undefined };
    items?: Product[];
    stores?: { store: string; stock: number }[];
    /** Seconds. */
    show_after_s: number;
    /** ISO 8601, UTC. */
    expires_at: string;
    /** Why, in the visitor's language. */
    reason: string;
  }

  /** A placement that stays silent, and why. */
  interface Silent {
    action: null;
    reason: string;
  }

  /** What a preview tells of an action: the first gate that is closed ("" for none), else its share of the draws. */
  interface Considered {
    action: string;
    gate: string;
    detail: string;
    share: number | null;
    net: number | null;
  }

  interface Answer {
    decision_id: string;
    stage: { name: string; probabilities: Record<string, number> } | null;
    intent: Record<"buy" | "cart" | "leave" | "help", number> | null;
    placements: Record<string, Chosen | Silent>;
    degraded: boolean;
    degraded_because: string | null;
    bundle: string | null;
    policy: string;
    /** Only for a signed preview link. */
    preview?: { placement: string; action: string; expires_at: string; candidates: Record<string, Considered[]> };
  }

  type Outcome = "view_promotion" | "select_promotion" | "dismiss_promotion";

  /** The shop's own looks: an element to put into the slot, true if it is done already, anything else for the default. */
  type Render = (
    chosen: Chosen, slot: HTMLElement, report: (outcome: Outcome) => void, dismiss: () => void,
  ) => Element | true | null | undefined | void;

  interface Client {
    readonly visitor: string;
    readonly purposes: Purpose[] | undefined;
    /** The latest answer, and how long it took. */
    last: { answer: Answer; ms: number } | null;
    render?: Render;
    track(event: Event): void;
    /** Ask for the slots that are still empty. when: for slots that wait for this moment, too. */
    decide(events?: Event[], when?: string): Promise<void>;
    /** The next page of a single-page application. */
    page(page?: Page): void;
    /** What the visitor grants: [] for nothing. */
    consent(purposes: Purpose[]): void;
    /** Show a message that came another way, such as a prompt of GET /v1/prompts. */
    show(placement: string, chosen: Chosen, decisionId: string): void;
    push(call: Call): void;
  }

  /** A call made before the script is there: `(window.tact ||= []).push(["consent", ["analytics"]])`. */
  type Call =
    | ["track", Event] | ["page", Page?] | ["consent", Purpose[]] | ["decide", Event[]?, string?] | ["show", string, Chosen, string];
}

interface Window {
  tact?: Tact.Client | Tact.Call[];
}

interface DocumentEventMap {
  "tact:decision": CustomEvent<{ answer: Tact.Answer; ms: number }>;
  "tact:chat": CustomEvent<Tact.Chosen>;
}
