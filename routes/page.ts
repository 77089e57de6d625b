/** A small page: no script, nothing from outside. Its texts are escaped by Hono's `html`. */

import type { Context } from "hono";
import { html } from "hono/html";
import type { AppVariables } from "./request_id.ts";

const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** One part of a page: a paragraph, a piece of code, or links. */
export type PagePart =
  | string
  | { readonly heading: string }
  | { readonly code: string }
  | { readonly links: readonly (readonly [address: string, text: string])[] };

/** A page as a reply. */
export function page(
  c: Context<AppVariables>,
  title: string,
  parts: readonly PagePart[],
): Response | Promise<Response> {
  c.header("Content-Security-Policy", POLICY);
  c.header("X-Content-Type-Options", "nosniff");
  c.header("Referrer-Policy", "no-referrer");
  c.header("Cache-Control", "no-store");
  return c.html(html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>${title} · Hecate</title>
        <style>
    :root { color-scheme: light dark; --ink: #1b1f27; --soft: #59616f; --line: #d9dde4; --paper: #fbfbfc; --box: #eef0f4; --link: #5b3fb8; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --soft: #a3abb8; --line: #343a46; --paper: #14171c; --box: #1e232b; --link: #b6a2ff; } }
    body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif; }
    main { max-width: 44rem; margin: 0 auto; padding: 4rem 1.25rem; }
    h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; letter-spacing: -0.01em; }
    h2 { font-size: 1rem; margin: 2.25rem 0 .5rem; }
    p { margin: 0 0 .75rem; }
    pre { background: var(--box); border: 1px solid var(--line); border-radius: .5rem; padding: .85rem 1rem; overflow-x: auto; font: .875rem/1.5 ui-monospace, monospace; }
    a { color: var(--link); }
    ul { padding-left: 1.2rem; margin: 0; }
    footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .875rem; }
    </style>
      </head>
      <body>
        <main>
    <h1>${title}</h1>
    ${parts.map(renderPart)}
    <footer>Hecate, an edge relay for security events</footer>
        </main>
      </body>
    </html>
  `);
}

function renderPart(part: PagePart) {
  if (typeof part === "string") return html`<p>${part}</p>`;
  if ("heading" in part) return html`<h2>${part.heading}</h2>`;
  if ("code" in part) return html`<pre><code>${part.code}</code></pre>`;
  return html`<ul>${
    part.links.map(([address, text]) =>
      html`<li><a href="${address}">${address}</a> ${text}</li>`
    )
  }</ul>`;
}
