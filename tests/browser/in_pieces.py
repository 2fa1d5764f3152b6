"""A page whose HTML arrives piece by piece, as over a slow line or while the browser is busy: what stands may not move.

The browser paints what it has whenever it likes, so each place between two tags, and within a text, is tried. Where
things stand is asked from the layout itself, after each piece: no clock decides what is seen.
"""

import re

from playwright.sync_api import Page

ADDRESS = "/shop/in-pieces"
FEED = """
async ([head, pieces, least]) => {
  document.open();
  document.write(head);
  const sheets = [...document.querySelectorAll('link[rel=stylesheet]')];
  await Promise.all(sheets.map((link) => link.sheet || new Promise((loaded) => { link.onload = loaded; })));
  const stood = new Map();
  const [moved, told_of] = [[], new Set()];
  const place = (node) => {
    if (!(node.nodeType === 1 ? node : node.parentElement).checkVisibility({visibilityProperty: true})) return null;
    const range = document.createRange();
    if (node.nodeType === 3) range.selectNodeContents(node);
    const at = (node.nodeType === 1 ? node : range).getClientRects()[0];
    const seen = at && at.width > 0 && at.height > 0 && at.bottom > 0 && at.top < innerHeight && at.right > 0;
    return seen && at.left < innerWidth ? at : null;
  };
  const told = (node) => (node.nodeType === 1 ? node.cloneNode().outerHTML : node.data.trim()).slice(0, 90);
  const look = (piece) => {
    for (const [node, was] of stood) {
      const at = node.isConnected && place(node);
      const by = at ? [Math.round(at.left - was.left), Math.round(at.top - was.top)] : [0, 0];
      if (Math.max(...by.map(Math.abs)) < least) continue;
      moved.push(`${told(node)} moved by ${by} px when ${piece.trim().slice(0, 60)} came`);
      stood.delete(node);
      told_of.add(node);
    }
    const every = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let node = every.nextNode(); node; node = every.nextNode()) {
      if (stood.has(node) || told_of.has(node)) continue;
      const at = place(node);
      if (at) stood.set(node, {left: at.left, top: at.top});
    }
  };
  for (const piece of pieces) {
    document.write(piece);
    if (document.body && piece.trim()) look(piece);
  }
  document.close();
  return moved;
}
"""
LEAST_PX = 3
"""What moves by less is not counted by browsers either (Layout Instability, "Unstable layout objects")."""


def moved_in_pieces(page: Page, url: str, html: str) -> list[str]:
    """What moved while the HTML of one of the shop's pages came to a page of `url` in pieces, without its scripts."""
    head, body = re.split(r"(?=<body)", html, maxsplit=1)
    page.route("**/*.js", lambda route: route.fulfill(content_type="text/javascript", body=""))
    page.route(f"**{ADDRESS}", lambda route: route.fulfill(content_type="text/html", body="<!doctype html>"))
    page.goto(url + ADDRESS)
    found: list[str] = page.evaluate(FEED, [head, list(pieces(body)), LEAST_PX])
    return found


def pieces(html: str) -> list[str]:
    """Its tags and its texts: between any two of them a parser may let the browser paint."""
    return re.findall(r"<[^>]*>|[^<]+", html)
