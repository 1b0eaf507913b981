// Opens reports in Chromium: `node reports.mjs FOLDER [SHOTS]`. FOLDER has the pages that
// `BOLTKEY_WRITE_REPORTS=FOLDER cargo test --test cli pages_for_a_browser` writes. Pictures of them
// go to SHOTS. Fails at the first page with a defect, after it has looked at all of them.
import { readdirSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [folder, shots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pages = readdirSync(folder).filter((name) => name.endsWith(".html")).sort();
// Sizes of a phone and of a desktop, in pixels.
const WIDTHS = [360, 1280];
// Rules of axe about everything that matters on a page that is only read.
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

let checks = 0;
const defects = [];
function check(page, what, holds, details = "") {
  checks += 1;
  if (!holds) defects.push(`${page}: ${what} ${details}`);
}

// Chromium is allowed no request but for the page itself.
async function open(browser, name, width, options = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const url = pathToFileURL(resolve(folder, name)).href;
  page.on("console", (message) => {
    // What a policy refuses is told here.
    if (["error", "warning"].includes(message.type())) check(name, "console", false, message.text());
  });
  page.on("pageerror", (error) => check(name, "script error", false, String(error)));
  page.on("dialog", (dialog) => {
    check(name, "dialog", false, dialog.message());
    dialog.dismiss();
  });
  page.on("request", (request) => {
    const own = request.url() === url || request.url().startsWith("data:,");
    check(name, "request", own, request.url());
  });
  await page.goto(url);
  return page;
}

// Elements that are wider than the screen, by the rectangles of their boxes.
function tooWide() {
  const limit = document.documentElement.clientWidth + 0.5;
  const wide = [];
  if (document.documentElement.scrollWidth > limit) wide.push("the page scrolls sideways");
  for (const element of document.querySelectorAll("body, body *")) {
    if (element.closest(".vh, .skip, thead") && getComputedStyle(element).clipPath !== "none") continue;
    if (element.closest(".skip, .vh") || element.closest("svg")?.parentElement === null) continue;
    const box = element.getBoundingClientRect();
    if (box.width > 0 && (box.right > limit || box.left < -0.5)) {
      const hidden = element.closest("thead, .vh");
      if (hidden && getComputedStyle(hidden).clipPath !== "none") continue;
      wide.push(`${element.tagName}.${element.className} ${Math.round(box.left)}..${Math.round(box.right)}`);
    }
  }
  return wide.slice(0, 5);
}

// What a page must be built of.
function structure() {
  const headings = [...document.querySelectorAll("h1, h2, h3, h4")].map((h) => +h.tagName[1]);
  const skipped = headings.some((level, at) => level > (headings[at - 1] ?? 0) + 1);
  const tables = [...document.querySelectorAll("table")];
  return {
    lang: document.documentElement.lang,
    title: document.title.length > 0 && document.title.length < 300,
    landmarks: ["header", "main", "footer"].every((name) => document.querySelectorAll(name).length === 1),
    oneH1: headings.filter((level) => level === 1).length === 1,
    skipped,
    captions: tables.every((table) => table.caption !== null),
    scopes: [...document.querySelectorAll("th")].every((cell) => cell.scope !== ""),
    scripts: document.scripts.length,
    foreign: document.querySelectorAll("img, iframe, object, embed, link, form, base, audio, video").length,
    handlers: [...document.querySelectorAll("*")].filter((element) =>
      element.getAttributeNames().some((name) => name.startsWith("on") || name === "style")).length,
    links: [...document.querySelectorAll("a")].filter((a) => {
      const target = a.getAttribute("href");
      return !target.startsWith("#") || document.getElementById(target.slice(1)) === null;
    }).length,
  };
}

async function examine(browser, name) {
  for (const width of WIDTHS) {
    const page = await open(browser, name, width);
    const wide = await page.evaluate(tooWide);
    check(name, `fits ${width} px`, wide.length === 0, wide.join("; "));
    if (width === 1280) {
      const found = await page.evaluate(structure);
      check(name, "language", found.lang === "en");
      check(name, "title", found.title);
      check(name, "landmarks", found.landmarks);
      check(name, "one h1", found.oneH1);
      check(name, "order of headings", !found.skipped);
      check(name, "captions of tables", found.captions);
      check(name, "scopes of cells", found.scopes);
      check(name, "scripts", found.scripts === 1, String(found.scripts));
      check(name, "elements that load something", found.foreign === 0, String(found.foreign));
      check(name, "handlers and styles in attributes", found.handlers === 0, String(found.handlers));
      check(name, "links that lead nowhere", found.links === 0, String(found.links));
    }
    if (shots) await page.screenshot({ path: join(shots, `${name}-${width}.png`), clip: { x: 0, y: 0, width, height: 2400 }, fullPage: true });
    await page.context().close();
  }
}

// axe on a page, in one color scheme. A long page is examined without most rows of its tables: they
// are all alike.
async function accessible(browser, name, colorScheme) {
  const page = await open(browser, name, 1280, { colorScheme, bypassCSP: true });
  await page.evaluate(() => {
    for (const body of document.querySelectorAll("tbody")) {
      [...body.rows].slice(25).forEach((row) => row.remove());
    }
    // Sections that are not on the screen are not rendered otherwise.
    for (const store of document.querySelectorAll("article.store")) store.style.contentVisibility = "visible";
  });
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate((tags) => globalThis.axe.run(document, {
    runOnly: { type: "tag", values: tags },
    resultTypes: ["violations"],
  }), TAGS);
  const grave = violations.filter(({ impact }) => ["serious", "critical", "moderate"].includes(impact));
  const told = grave.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary}`).join(" | ")}`);
  check(name, `axe (${colorScheme})`, grave.length === 0, told.join("; "));
  const contrast = passes.some(({ id }) => id === "color-contrast");
  check(name, `contrast was measured (${colorScheme})`, contrast);
  if (shots) await page.screenshot({ path: join(shots, `${name}-${colorScheme}.png`) });
  await page.context().close();
}

// Filter and sorting of the tokens.
async function tools(browser) {
  const page = await open(browser, "large.html", 1280);
  const rows = () => page.locator("table.tokens tbody tr:visible").count();
  const all = await rows();
  check("large.html", "all tokens are shown", all === 5001, String(all));
  const input = page.getByLabel("Filter tokens:");
  await input.fill("Device 01234");
  const left = page.locator("table.tokens tbody tr:visible td:nth-child(2)");
  const shown = await left.allTextContents();
  check("large.html", "the filter finds a token", shown.includes("device 01234"), String(shown));
  check("large.html", "the filter leaves few", shown.length < 20, String(shown.length));
  const said = await page.locator(".filter [role=status]").filter({ hasText: "of 5001" }).textContent();
  check("large.html", "the filter tells how many", said === `${shown.length} of 5001`, said);
  await input.fill("no such token");
  check("large.html", "the filter leaves none", (await rows()) === 0);
  await input.fill("");
  check("large.html", "an empty filter leaves all", (await rows()) === 5001);
  const first = () => page.locator("table.tokens tbody tr td:nth-child(2)").first().textContent();
  const head = page.locator("table.tokens thead").getByRole("button", { name: "Description" });
  await head.click();
  const ascending = await first();
  await head.press("Enter");
  const descending = await first();
  check("large.html", "tokens are sorted", ascending === "alice's Token" && descending === "device 04999", `${ascending}, ${descending}`);
  const sort = await page.locator("table.tokens thead th:nth-child(2)").getAttribute("aria-sort");
  check("large.html", "the order is told", sort === "descending", String(sort));
  await page.context().close();
}

// The whole text of a long name can be opened without script.
async function withoutScript(browser) {
  const page = await open(browser, "hostile.html", 1280, { javaScriptEnabled: false });
  const long = page.locator("table.tokens details.long").first();
  const hidden = long.locator("> bdi");
  check("hostile.html", "a long text is closed", !(await hidden.isVisible()));
  await long.locator("summary").click();
  check("hostile.html", "a long text opens", await hidden.isVisible());
  await page.context().close();
}

// A page on paper has all tables, and nothing is cut off at its side.
async function onPaper(browser, name) {
  const page = await open(browser, name, 1280);
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  // A4 in landscape without its margins, in pixels.
  await page.setViewportSize({ width: 1032, height: 703 });
  const wide = await page.evaluate(tooWide);
  check(name, "fits paper", wide.length === 0, wide.join("; "));
  const white = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  check(name, "is printed on white", white === "rgb(255, 255, 255)", white);
  const pdf = await page.pdf({ format: "A4", preferCSSPageSize: true, ...(shots ? { path: join(shots, `${name}.pdf`) } : {}) });
  check(name, "can be printed", pdf.length > 10_000, String(pdf.length));
  await page.context().close();
}

if (shots) mkdirSync(shots, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  // The sandbox of Chromium does not run as root. These pages are our own.
  args: ["--no-sandbox", "--disable-gpu"],
});
try {
  for (const name of pages) {
    await examine(browser, name);
    await accessible(browser, name, "light");
    await accessible(browser, name, "dark");
  }
  await tools(browser);
  await withoutScript(browser);
  for (const name of ["lived-2.9.1.html", "damaged.html", "hostile.html"]) await onPaper(browser, name);
} finally {
  await browser.close();
}
for (const defect of defects) console.log(`DEFECT ${defect}`);
console.log(`${pages.length} pages, ${defects.length} defects`);
console.log(`browser: ${checks} tests ran`);
process.exitCode = defects.length === 0 && pages.length > 0 ? 0 : 1;
