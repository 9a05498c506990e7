// A report of very many images: how long pages take to open, how evenly they scroll, how fast the map draws.
import { execFileSync } from "node:child_process";
import { open, watched, check } from "./browser.js";

const [report, n] = process.argv.slice(2);
const browser = await open();
const { page, troubles, go } = await watched(browser, report);
const size = execFileSync("du", ["-sm", report]).toString().split("\t")[0];
console.log(`report of ${n} images: ${size} MB`);

for (const [name, ready] of [["index.html", ".cluster-card .thumb"], ["clusters.html", ".cluster-card .thumb"], ["images.html", "#grid .thumb"], ["map.html", "#legend span"]]) {
  const start = performance.now();
  await go(name);
  await page.waitForSelector(ready);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const seconds = (performance.now() - start - 150) / 1000;
  console.log(`${name} opens in ${seconds.toFixed(2)} s`);
  check(seconds < 2, `${name} took ${seconds} s, expected less than 2`);
}

await go("images.html");
const frames = await page.evaluate(async () => {
  const gaps = [], step = Math.floor(document.documentElement.scrollHeight / 200);
  let last = performance.now();
  for (let at = 0; at < 120; at++) {
    window.scrollBy(0, at < 60 ? 240 : step);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  return gaps.sort((a, b) => a - b);
});
const middle = frames[60], late = frames[113];
console.log(`scrolling: frames of ${middle.toFixed(1)} ms, 95 % within ${late.toFixed(1)} ms, ${await page.locator("#grid > *").count()} elements held`);
check(middle < 34 && late < 100, "scrolling stutters");
check((await page.locator("#grid > *").count()) < 400, "the grid holds what is in view only");

await go("map.html");
const box = await page.locator("#canvas").boundingBox();
const draws = [];
await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
for (let at = 0; at < 12; at++) {
  await page.mouse.wheel(0, at < 6 ? -120 : 120);
  await page.waitForTimeout(60);
  draws.push(await page.evaluate(() => SP.mapFrame.seconds));
}
draws.sort((a, b) => a - b);
console.log(`map: a frame takes ${(1000 * draws[6]).toFixed(1)} ms, at most ${(1000 * draws[11]).toFixed(1)} ms`);
check(draws[6] < 0.05, "the map draws fewer than 20 frames a second");
check(troubles.length === 0, troubles.join("\n"));
await browser.close();
