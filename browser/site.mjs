// Reads the documentation site in Chromium: `node site.mjs FOLDER`. FOLDER is what packaging/site makes.
// Once from a server on 127.0.0.1, and once from the files themselves, as someone without network has
// them: every page is reached by links, every heading that a link names is there, and the search finds
// words, shows where, and leads there. Fails if there is a defect.
import { createServer } from "node:http";
import { readFile, readdir } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const folder = resolve(process.argv[2]);
// Words, and a page that tells of each.
const WORDS = [
  ["residue", "residue.html"],
  ["raspberry", "install.html"],
  ["duckdb", "report.html"],
  ["recover operator", "recipes.html"],
];
// Pages that mdBook makes for itself.
const ITS_OWN = ["404.html", "print.html", "toc.html"];
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

let checks = 0;
const defects = [];
function check(where, what, holds, details = "") {
  checks += 1;
  if (!holds) defects.push(`${where}: ${what} ${details}`);
}

const names = await readdir(folder, { recursive: true });
// Only what is in the folder by that name is served.
const server = createServer(async (request, response) => {
  const name = decodeURIComponent(new URL(request.url, "http://127.0.0.1").pathname.slice(1)) || "index.html";
  if (!names.includes(name)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream" });
  response.end(await readFile(join(folder, name)));
});

// A page that asks for nothing but the site. What it asks for in vain is a defect.
async function open(browser, base) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(30_000);
  const at = () => page.url().slice(base.length);
  page.on("console", (message) => {
    if (message.type() === "error") check(at(), "console", false, message.text());
  });
  page.on("pageerror", (error) => check(at(), "script error", false, String(error)));
  page.on("request", (request) => {
    const own = request.url().startsWith(base) || request.url().startsWith("data:");
    check(at(), "request to elsewhere", own, request.url());
  });
  page.on("response", (response) => check(at(), "answer", response.ok() || response.status() === 0, response.url()));
  page.on("requestfailed", (request) => {
    // What was still under way when a link was followed is given up.
    const why = request.failure()?.errorText ?? "";
    if (why !== "net::ERR_ABORTED") check(at(), "failed request", false, `${request.url()} ${why}`);
  });
  return page;
}

// Follows the links from the first page, and looks at every page once.
async function everyPage(page, base) {
  const seen = new Map();
  const wanted = ["index.html"];
  const links = [];
  while (wanted.length > 0) {
    const name = wanted.shift();
    if (seen.has(name)) continue;
    await page.goto(base + name);
    // The list of all pages is made by a script.
    await page.locator("nav#mdbook-sidebar a").first().waitFor({ state: "attached" });
    const found = await page.evaluate(() => ({
      ids: [...document.querySelectorAll("[id]")].map((element) => element.id),
      links: [...document.querySelectorAll("a[href]")].map((a) => a.href),
      heading: document.querySelector("main h1")?.textContent.trim() ?? "",
    }));
    check(name, "has a heading", found.heading !== "");
    seen.set(name, new Set(found.ids));
    for (const link of found.links.filter((link) => link.startsWith(base))) {
      const [target, anchor] = link.slice(base.length).split("#");
      links.push([name, target || "index.html", anchor]);
      if (target.endsWith(".html") && names.includes(target) && !ITS_OWN.includes(target)) wanted.push(target);
    }
  }
  for (const [name, target, anchor] of links) {
    check(name, "link to a page that is there", names.includes(target), target);
    const ids = seen.get(target);
    if (anchor && ids) {
      check(name, "link to a heading that is there", ids.has(decodeURIComponent(anchor)), `${target}#${anchor}`);
    }
  }
  const pages = names.filter((name) => name.endsWith(".html") && !ITS_OWN.includes(name));
  const missed = pages.filter((name) => !seen.has(name));
  check("site", "every page is reached", missed.length === 0, missed.join(", "));
  return pages.length;
}

// Types words in the field, and follows a result.
async function search(page, base) {
  const results = page.locator("#mdbook-searchresults li a");
  const told = page.locator("#mdbook-searchresults-header");
  async function type(words) {
    await page.goto(`${base}index.html`);
    await page.keyboard.press("/");
    await page.locator("#mdbook-searchbar").pressSequentially(words);
    await told.filter({ hasText: words }).waitFor();
  }
  for (const [words, target] of WORDS) {
    await type(words);
    await results.first().waitFor();
    const result = page.locator(`#mdbook-searchresults li a[href*="${target}?"]`).first();
    const there = (await result.count()) > 0;
    check("search", `"${words}" finds ${target}`, there, (await results.evaluateAll((all) => all.map((a) => a.getAttribute("href")))).join(" "));
    if (!there) continue;
    await result.click();
    await page.waitForURL((url) => url.pathname.endsWith(`/${target}`));
    const marked = page.locator("main mark");
    await marked.first().waitFor();
    const first = (await marked.first().textContent()).toLowerCase();
    check("search", `"${words}" is marked on ${target}`, words.split(" ").some((word) => first.startsWith(word.slice(0, 5))), first);
  }
  await type("zzqxv");
  check("search", "a word that is nowhere finds nothing", (await results.count()) === 0);
  check("search", "and that is told", (await told.textContent()).startsWith("No search results"));
}

await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  // The sandbox of Chromium does not run as root. These pages are our own.
  args: ["--no-sandbox", "--disable-gpu"],
});
let pages = 0;
try {
  for (const base of [`http://127.0.0.1:${server.address().port}/`, `${pathToFileURL(folder).href}/`]) {
    const page = await open(browser, base);
    pages = await everyPage(page, base);
    await search(page, base);
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}
for (const defect of new Set(defects)) console.log(`DEFECT ${defect}`);
console.log(`site in a browser: ${pages} pages, ${checks} checks, ${defects.length} defects`);
process.exitCode = defects.length === 0 && pages > 10 ? 0 : 1;
