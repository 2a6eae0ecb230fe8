// Takes the pictures of a report's page. Usage: CHROMIUM=PROGRAM node pictures.mjs ADDRESS FOLDER
import { launch, look, looks } from "./browser.mjs";

const [address, folder] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage();
for (const way of looks.filter(({ name }) => name !== "dark phone")) {
  await look(page, address, way);
  await page.screenshot({ path: `${folder}/report-${way.name}.png`, fullPage: true });
}
await browser.close();
