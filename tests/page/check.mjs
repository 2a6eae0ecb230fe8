// Looks at each page in each way, and says what axe-core and a person with a narrow screen would object to.
// Usage: CHROMIUM=PROGRAM node check.mjs ADDRESS...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { launch, look, looks } from "./browser.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await launch();
const page = await browser.newPage();
let looked = 0;
const objections = [];
for (const address of process.argv.slice(2)) {
  for (const way of looks) {
    await look(page, address, way);
    await page.evaluate(axe);
    const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
    const object = (text) => objections.push(`${address}, ${way.name}: ${text}`);
    for (const { id, help, nodes } of violations) {
      object(`${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
    }
    if (passes.length < 10) object(`axe-core checked ${passes.length} rules alone`);
    const [wide, seen] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
    if (wide > seen) object(`is ${wide} wide, and the screen ${seen}`);
    looked += 1;
  }
}
await browser.close();
console.log(objections.length ? objections.join("\n") : `${looked} looks, no objection`);
process.exit(objections.length ? 1 : 0);
