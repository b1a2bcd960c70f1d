// Pages in Firefox: firefox.mjs PUPPETEER FIREFOX [address, ...] prints what each did,
// [{moved: {explorer: whether its picture changed}, trained, errors}, ...].
import {createRequire} from 'node:module';

const [puppeteer, executablePath, ...addresses] = process.argv.slice(2);
const {launch} = createRequire(import.meta.url)(puppeteer);
const browser = await launch({browser: 'firefox', executablePath, protocolTimeout: 300_000});
const patient = {timeout: 240_000};

const move = key => new Promise((done, failed) => {
  setTimeout(() => failed('nothing was shown within a minute'), 60_000);
  const box = document.getElementById(key), picture = () => box.querySelector('.picture').innerHTML;
  const before = picture(), ranges = box.querySelectorAll('input[type=range]');
  addEventListener('shown', ({detail}) => detail.key === key && detail.turn > 1 && done(before !== picture()));
  const range = ranges[box.querySelector('.points') ? 1 : 0];
  range.value = +range.value ? 0 : range.max;
  range.dispatchEvent(new Event('input', {bubbles: true}));
});

const told = [];
for (const address of addresses) {
  const page = await browser.newPage(), errors = [], moved = {};
  page.on('console', message => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', error => errors.push(String(error)));
  await page.goto(address);
  await page.waitForFunction(() => !document.querySelector('.explorer:not(.alive)'), patient);
  const keys = await page.$$eval('.explorer', boxes => boxes.map(box => box.id));
  for (const key of keys) moved[key] = await page.evaluate(move, key);
  const start = await page.$('[data-train=start]');
  if (start) {
    await start.evaluate(button => button.click());
    // a few updates of a run of 30 epochs
    await page.waitForFunction(() => (
      [...document.querySelectorAll('progress')].some(bar => bar.value > 0.002)), patient);
  }
  told.push({moved, trained: !!start, errors});
  await page.close();
}
await browser.close();
console.log(JSON.stringify(told));
