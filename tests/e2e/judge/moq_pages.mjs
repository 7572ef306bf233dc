// Pages with @moq/net in headless Chromium: one publishes a broadcast at a relay, another finds and subscribes to it there, over WebTransport.
//
//   node tests/e2e/judge/moq_pages.mjs https://127.0.0.1:PORT/ CERTIFICATE_SHA256_HEX PUBLISHER SUBSCRIBER [PUBLISHER SUBSCRIBER ...]
//
// PUBLISHER and SUBSCRIBER are versions of MoQ ("moq-lite-05", "moqt-18"). Prints one JSON object: what the subscriber of each pair saw. Exit code 77
// if Chromium or the packages are missing.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { load, packageFolder, withBrowser } from './installed.mjs';

const NAME = 'moq_pages';
const [url, digest, ...versions] = process.argv.slice(2);
const esbuild = load(NAME, 'esbuild');

const bundle = await esbuild.build({
  stdin: { contents: 'import * as Moq from "@moq/net"; window.Moq = Moq;', resolveDir: join(packageFolder(NAME, '@moq/net'), '../..') },
  bundle: true,
  format: 'iife',
  write: false,
  logLevel: 'error',
});
const script = bundle.outputFiles[0].text;
const server = createServer((request, response) => {
  if (request.url === '/moq.js') return response.setHeader('content-type', 'text/javascript').end(script);
  response.setHeader('content-type', 'text/html').end('<!doctype html><meta charset="utf-8"><script src="/moq.js"></script>');
});
await new Promise(done => server.listen(0, '127.0.0.1', done));

async function page(browser, version) {
  const tab = await browser.newPage();
  if (process.env.EC_JUDGE_VERBOSE) tab.on('console', line => console.error(version, line.text()));
  await tab.goto(`http://127.0.0.1:${server.address().port}/`);
  await tab.evaluate(async (where, hex, protocol) => {
    const value = Uint8Array.from(hex.match(/../g), pair => parseInt(pair, 16));
    const transport = new WebTransport(where, { serverCertificateHashes: [{ algorithm: 'sha-256', value }], protocols: [protocol] });
    await transport.ready;
    window.moq = await Moq.Connection.connect(new URL(where), { transport });
    window.protocol = transport.protocol;
  }, url, digest, version);
  return tab;
}

async function pair(browser, from, to, name) {
  const publisher = await page(browser, from), subscriber = await page(browser, to);
  const path = `judge/${name}`;
  await publisher.evaluate(where => {
    const broadcast = new Moq.Broadcast.Producer();
    window.track = broadcast.createTrack('clock', { timescale: Moq.Time.Timescale(1000), priority: 7 });
    window.put = (group, frames) => {
      const g = track.appendGroup();
      for (let i = 0; i < frames; ++i) {
        g.writeFrame({ payload: new TextEncoder().encode(`group ${group} frame ${i} ${'x'.repeat(i * 40000)}`), timestamp: new Moq.Time.Timestamp(1000 * group + 40 * i, Moq.Time.Timescale(1000)) });
      }
      g.close();
    };
    put(0, 3);
    moq.publish(Moq.Path.from(where), broadcast);
  }, path);
  // The subscriber waits for the announcement: nothing tells it that the broadcast is there but the relay.
  await subscriber.evaluate(async where => {
    const announced = moq.announced();
    for (;;) {
      const event = await announced.next();
      if (!event) throw new Error('no announcement came');
      if (event.path === where && event.active) break;
    }
    const consumer = moq.consume(Moq.Path.from(where));
    const track = consumer.track('clock').subscribe({ priority: 9 });
    window.seen = [];
    (async () => {
      for (;;) {
        const group = await track.recvGroup();
        if (!group) break;
        (async () => {
          for (let at = 0; ; ++at) {
            const frame = await group.readFrame();
            if (!frame) break;
            seen.push({ group: group.sequence, frame: at, bytes: frame.payload.byteLength, text: new TextDecoder().decode(frame.payload.subarray(0, 24)).trim(), at: frame.timestamp?.asMillis() });
          }
          seen.push({ group: group.sequence, end: true });
        })().catch(why => seen.push({ group: group.sequence, error: String(why) }));
      }
      seen.push({ over: true });
    })().catch(why => seen.push({ over: true, error: String(why) }));
  }, path);
  const until = (what, limit = 60000) => subscriber.waitForFunction(what, { timeout: limit, polling: 50 });
  await until('seen.some(s => s.group === 0 && s.end)');
  for (const group of [1, 2, 3]) {
    await publisher.evaluate(g => put(g, 3), group);
    await until(`seen.some(s => s.group === ${group} && s.end)`);
  }
  await publisher.evaluate(() => track.close());
  // In its moqt-18 mode the package says nothing of a track's end.
  if (to.startsWith('moq-lite')) await until('seen.some(s => s.over)');
  const out = await subscriber.evaluate(() => ({ version: moq.version, protocol, seen }));
  await publisher.evaluate(() => moq.close());
  await subscriber.evaluate(() => moq.close());
  await publisher.close();
  await subscriber.close();
  return { from, to, ...out };
}

const flags = ['--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding'];
await withBrowser(NAME, flags, async browser => {
  const pairs = [];
  for (let i = 0; i + 1 < versions.length; i += 2) pairs.push(await pair(browser, versions[i], versions[i + 1], `pair-${i / 2}`));
  console.log(JSON.stringify({ browser: await browser.version(), pairs }));
}).finally(() => server.close());
