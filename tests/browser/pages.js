// Every page of a small report with hostile names, by pointer and by keyboard, light and dark, wide and narrow.
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open, watched, check } from "./browser.js";

const [report, shots] = process.argv.slice(2);
const pages = ["index", "clusters", "cluster", "images", "similar", "map", "labels", "curves", "reconstructions", "k", "files", "settings"];
const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const browser = await open();
const tests = {
  "every page opens without a word on the console, in every shape": async () => {
    for (const [shape, options] of Object.entries({
      light: { colorScheme: "light" }, dark: { colorScheme: "dark" },
      narrow: { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
      "narrow-dark": { colorScheme: "dark", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 },
    })) {
      const { page, context, troubles, go } = await watched(browser, report, options);
      for (const name of pages) {
        await go(`${name}.html`);
        await page.waitForLoadState("networkidle");
        check((await page.locator("h1").count()) === 1, `${name}: one heading`);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        check(over <= 1, `${name} ${shape}: ${over} px wider than the window`);
        if (shots) await page.screenshot({ path: `${shots}/${name}-${shape}.png`, fullPage: !["clusters", "images", "map"].includes(name) });
      }
      check(troubles.length === 0, `${shape}: ${troubles.join("\n")}`);
      await context.close();
    }
  },
  "no page breaks a rule of accessibility, contrast included, light or dark": async () => {
    for (const colorScheme of ["light", "dark"]) {
      const { page, context, go } = await watched(browser, report, { colorScheme });
      for (const name of pages) {
        await go(`${name}.html`);
        await page.waitForLoadState("networkidle");
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run(document, { preload: false, runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }));
        const words = violations.map((rule) => `${rule.id}: ${rule.help}\n    ${rule.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message || ""}`).join("\n    ")}`);
        check(words.length === 0, `${name} ${colorScheme}:\n  ${words.join("\n  ")}`);
      }
      await context.close();
    }
  },
  "the keyboard alone reaches the content, the pages and the filters": async ({ page, go }) => {
    await go("clusters.html");
    await page.keyboard.press("Tab");
    check((await page.evaluate(() => document.activeElement.className)) === "skip", "the first stop skips the navigation");
    await page.keyboard.press("Enter");
    check((await page.evaluate(() => document.activeElement.id)) === "main", "the focus is in the content");
    await page.keyboard.press("Tab");
    check((await page.evaluate(() => document.activeElement.id)) === "filter", "then comes the filter");
    await page.keyboard.type("1");
    check((await page.locator("#count").innerText()) === "1 cluster", "and what it found is said");
    check((await page.locator("#count").getAttribute("role")) === "status", "to screen readers too");
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineWidth);
    check(parseFloat(outline) >= 2, `the focus is seen: ${outline}`);
  },
  "nothing moves for those who asked for stillness": async () => {
    const { page, context, go } = await watched(browser, report, { reducedMotion: "reduce" });
    for (const name of ["index", "images", "map"]) {
      await go(`${name}.html`);
      const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((e) => {
        const style = getComputedStyle(e);
        return style.animationName !== "none" || style.transitionDuration.split(",").some((time) => parseFloat(time) > 0);
      }).length);
      check(moving === 0, `${name}: ${moving} elements move`);
    }
    await context.close();
  },
  "a page on paper has no controls and keeps its pictures": async ({ page, go }) => {
    await go("index.html");
    await page.emulateMedia({ media: "print" });
    check(!(await page.locator(".nav").isVisible()), "no navigation");
    check((await page.evaluate(() => getComputedStyle(document.querySelector(".thumb")).printColorAdjust)) === "exact", "pictures are printed");
  },
  "a filter can be linked to": async ({ page, go }) => {
    await go("images.html#kind=odd");
    const odd = await page.evaluate(() => SP.outlier.filter((x) => x >= 1).length);
    check((await page.locator("#count").innerText()).startsWith(`${odd} image`), `${odd} odd ones`);
    await page.selectOption("#kind", "copy");
    check((await page.evaluate(() => location.hash)) === "#kind=copy", "the address follows");
    await go("index.html");
    await page.click("dl.tiles a[href='images.html#kind=odd']");
    await page.waitForFunction((n) => document.getElementById("count")?.textContent.startsWith(`${n} image`), odd);
  },
  "labels lead to their images and clusters": async ({ page, go }) => {
    await go("labels.html");
    const total = Number((await page.locator("tbody tr").first().locator("td.sum").innerText()).replace(",", ""));
    await page.locator("tbody th a").first().click();
    await page.waitForFunction((n) => document.getElementById("count")?.textContent === `${n} images`, total);
  },
  "commands are copied": async ({ page, context, go }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await go("index.html");
    await page.locator(".command button").first().click();
    await page.waitForFunction(() => ["Copied", "Marked"].includes(document.querySelector(".command button").textContent));
  },
  "pages of a run at work renew themselves": async () => {
    const growing = `${report}-growing`;
    rmSync(growing, { recursive: true, force: true });
    cpSync(report, growing, { recursive: true });
    const index = readFileSync(`${growing}/index.html`, "utf8");
    const live = index.replace("<title>", "<meta name=\"sporeprint-stamp\" content=\"1\"><title>")
      .replace("<main", "<div class=\"live\"><div class=\"live-in\"><i></i><span id=\"live-words\"></span><label><input type=\"checkbox\" id=\"live-on\" checked> renew</label></div></div><script src=\"assets/live.js\"></script><main");
    writeFileSync(`${growing}/index.html`, live);
    const news = (stamp, words) => writeFileSync(`${growing}/data/progress.js`, `window.SP_progress({"stamp":${stamp},"at":${Date.now()},"words":"${words}","done":false});`);
    news(1, "epoch 1/3");
    const { page, context, troubles, go } = await watched(browser, growing);
    await go("index.html");
    await page.waitForFunction(() => document.getElementById("live-words").textContent === "epoch 1/3");
    writeFileSync(`${growing}/index.html`, index.replace("<h1>", "<h1>renewed "));
    news(2, "epoch 2/3");
    await page.waitForFunction(() => document.querySelector("h1").textContent.startsWith("renewed"), null, { timeout: 10000 });
    check(troubles.length === 0, troubles.join("\n"));
    await context.close();
    rmSync(growing, { recursive: true, force: true });
  },
  "thumbnails are really painted": async ({ page, go }) => {
    await go("images.html");
    const shown = await page.evaluate(async () => {
      const url = getComputedStyle(document.querySelector(".thumb")).backgroundImage.slice(5, -2);
      const picture = new Image();
      picture.src = url;
      await picture.decode();
      return picture.naturalWidth;
    });
    check(shown > 100, `a sheet of ${shown} px`);
  },
  "hostile names are shown and do nothing": async ({ page, go }) => {
    await go("images.html");
    await page.fill("#search", "hostile/");
    await page.waitForFunction(() => document.getElementById("count").textContent === "8 images");
    await page.waitForTimeout(200);
    const words = await page.locator("#grid").innerText();
    check(words.includes("evil‹U+202E›gnp.exe"), `direction marks are visible: ${words}`);
    check(words.includes("line‹U+000A›break‹U+0009›tab.png"), "control characters are visible");
    for (let i = 0; i < 8; i++) { await go(`similar.html#${i}`); await page.waitForTimeout(50); }
    check(await page.evaluate(() => window.broken === undefined && document.querySelectorAll("img[src=x]").length === 0), "no name ran");
  },
  "the filter and the order of the clusters": async ({ page, go }) => {
    await go("clusters.html");
    check((await page.locator(".cluster-card").count()) >= 8, "cards");
    await page.fill("#filter", "2");
    check((await page.locator("#count").innerText()) === "1 cluster", "one id fits");
    await page.fill("#filter", "");
    await page.selectOption("#sort", "small");
    const sizes = await page.locator(".cluster-card h3 span").allInnerTexts();
    const numbers = sizes.map((text) => parseInt(text, 10));
    check(numbers.every((n, at) => at === 0 || n >= numbers[at - 1]), `rising sizes: ${numbers}`);
    await page.fill("#filter", "nothing of this name");
    check(await page.locator("#none").isVisible(), "an empty result says so");
  },
  "odd ones and copies are found": async ({ page, go }) => {
    await go("images.html");
    for (const [kind, count] of [["odd", (s) => s.outlier.filter((x) => x >= 1).length], ["copy", (s) => s.twin.filter((x) => x >= 0).length], ["absent", () => 1], ["moved", (s) => s.n]]) {
      await page.selectOption("#kind", kind);
      await page.waitForTimeout(60);
      const expected = await page.evaluate(`(${count})(SP)`);
      check((await page.locator("#count").innerText()).startsWith(`${expected} image`), `${kind}: ${expected}`);
    }
  },
  "a cluster's name stands behind its number, as text": async ({ page, go }) => {
    await go("cluster.html#0");
    check((await page.locator("#title").innerText()) === "Cluster 0: fly agaric & <b>friends</b>", "the title");
    await go("clusters.html");
    await page.fill("#filter", "agaric");
    await page.waitForFunction(() => document.getElementById("count").textContent === "1 cluster");
  },
  "the arrow keys move through the grid": async ({ page, go }) => {
    await go("cluster.html#0");
    await page.locator("#grid a").first().focus();
    for (const key of ["ArrowRight", "ArrowDown", "End", "Home", "ArrowRight"]) await page.keyboard.press(key);
    const at = await page.evaluate(() => document.activeElement.closest("[aria-posinset]")?.getAttribute("aria-posinset"));
    check(at === "2", `the focus is on ${at}`);
    await page.keyboard.press("Enter");
    await page.waitForURL(/similar\.html#\d+$/);
  },
  "from any image to its nearest, page to page": async ({ page, go }) => {
    await go("similar.html#20");
    await page.waitForSelector("#grid a");
    const before = await page.locator("#title").innerText();
    await page.locator("#grid a").nth(3).click();
    await page.waitForFunction((name) => document.getElementById("title").textContent !== name, before);
    await page.goBack();
    await page.waitForFunction((name) => document.getElementById("title").textContent === name, before);
  },
  "the lasso lists what it holds and saves it": async ({ page, go }) => {
    await go("map.html");
    const box = await page.locator("#canvas").boundingBox();
    await page.click("#lasso");
    const around = [[0.02, 0.02], [0.98, 0.02], [0.98, 0.98], [0.02, 0.98]].map(([x, y]) => [box.x + x * box.width, box.y + y * box.height]);
    await page.mouse.move(...around[0]);
    await page.mouse.down();
    for (const point of around.slice(1)) await page.mouse.move(...point, { steps: 4 });
    await page.mouse.up();
    check((await page.locator("#picked-count").innerText()) === "600 images selected", await page.locator("#picked-count").innerText());
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
    const text = readFileSync(await download.path(), "utf8");
    check(text.startsWith("index,path,cluster,distance\n"), "columns");
    check(!/(^|,)"?[=+@\t]/m.test(text), "no cell starts a formula");
    check(text.includes("/photos/hostile/=cmd|' /C calc'!A0.png"), "paths are exact");
    await page.locator("#canvas").focus();
    await page.keyboard.press("Escape");
    check((await page.locator("#picked-count").innerText()) === "Nothing selected", "Escape clears");
  },
  "the map answers the pointer, the wheel and the keys": async ({ page, go }) => {
    await go("map.html");
    const [x, y] = await page.evaluate(() => SP.mapState.screen(SP.clusters[0].medoid));
    const box = await page.locator("#canvas").boundingBox();
    await page.mouse.move(box.x + x, box.y + y);
    await page.waitForSelector("#tip:not([hidden])");
    const scale = () => page.evaluate(() => SP.mapState.view.scale);
    const before = await scale();
    await page.mouse.wheel(0, -400);
    await page.waitForTimeout(80);
    const wheeled = await scale();
    check(wheeled > 1.3 * before, "the wheel zooms");
    await page.locator("#canvas").focus();
    await page.keyboard.press("-");
    check((await scale()) < wheeled, "minus zooms out");
    await page.keyboard.press("0");
    check(Math.abs((await scale()) / before - 1) < 1e-9, "zero shows everything");
    for (const color of ["label", "distance", "outlier", "cluster"]) await page.selectOption("#color", color);
    await page.selectOption("#only", "1");
    await page.click("#cluster-pick");
    const size = await page.evaluate(() => SP.clusterById.get(1).size);
    check((await page.locator("#picked-count").innerText()) === `${size} images selected`, "a cluster is selected by keyboard alone");
  },
  "an image without pixels is shown by its name": async ({ page, go }) => {
    await go("images.html#kind=absent");
    await page.waitForFunction(() => document.querySelector(".thumb.gone")?.textContent.length > 3);
    check((await page.locator(".thumb.gone").count()) === 1, "one cell with a name");
    check((await page.locator(".thumb.gone").evaluate((e) => getComputedStyle(e).backgroundImage)) === "none", "and no picture");
  },
  "without scripts the figures still stand": async () => {
    const { page, context, go } = await watched(browser, report, { javaScriptEnabled: false });
    await go("index.html");
    check((await page.locator(".tile dd").first().innerText()).startsWith("600"), "the number of images");
    check(await page.getByText("How good the grouping is").isVisible(), "quality in words");
    await context.close();
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  const watch = await watched(browser, report);
  try {
    await test(watch);
    check(watch.troubles.length === 0, watch.troubles.join("\n"));
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
  await watch.context.close();
}
await browser.close();
process.exit(failed ? 1 : 0);
