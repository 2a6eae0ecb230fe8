// A browser, and the ways in which a page is looked at.
import puppeteer from "puppeteer-core";

export const looks = [
  { name: "desktop", width: 1280, height: 900, scheme: "light" },
  { name: "phone", width: 360, height: 740, scheme: "light" },
  { name: "dark", width: 1280, height: 900, scheme: "dark" },
  { name: "dark phone", width: 360, height: 740, scheme: "dark" },
  { name: "print", width: 794, height: 1123, scheme: "light", media: "print" },
];

export const launch = () =>
  puppeteer.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--no-proxy-server", "--font-render-hinting=none"],
  });

export async function look(page, address, { width, height, scheme, media }) {
  await page.setViewport({ width, height, deviceScaleFactor: 1 });
  await page.emulateMediaType(media ?? "screen");
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(address, { waitUntil: "load" });
}
