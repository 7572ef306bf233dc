// Opens WebTransport sessions of MoQ in headless Chromium, as a page would.
//
//   node tests/e2e/judge/web_session.mjs https://127.0.0.1:PORT/path CERTIFICATE_SHA256_HEX
//
// Prints one JSON object: what the page saw of a session that the endpoint ends, of one that the page ends, of one with a protocol that nobody
// speaks, and of one with another certificate's digest. Exit code 77 if Chromium or the packages are missing.
import { createServer } from 'node:http';
import { withBrowser } from './installed.mjs';

const NAME = 'web_session';
const [url, digest] = process.argv.slice(2);

const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><meta charset="utf-8">'));
await new Promise(done => server.listen(0, '127.0.0.1', done));
await withBrowser(NAME, [], async browser => {
  const tab = await browser.newPage();
  await tab.goto(`http://127.0.0.1:${server.address().port}/`);
  const seen = await tab.evaluate(async (where, hex) => {
    const bytes = text => Uint8Array.from(text.match(/../g), pair => parseInt(pair, 16));
    const open = (hash, protocols) => new WebTransport(where, { serverCertificateHashes: [{ algorithm: 'sha-256', value: bytes(hash) }], protocols });
    const failure = async session => {
      session.closed.catch(() => {});
      try {
        await session.ready;
        return '';
      } catch (why) {
        return String(why);
      }
    };
    const setup = bytes('af0000050703777463'); // SETUP: implementation "wtc"
    /// Opens a session, sends a SETUP, and reads the beginning of the endpoint's.
    const begin = async () => {
      const session = open(hex, ['moqt-18']);
      await session.ready;
      const writer = (await session.createUnidirectionalStream()).getWriter();
      await writer.write(setup);
      const stream = (await session.incomingUnidirectionalStreams.getReader().read()).value;
      const first = (await stream.getReader().read()).value;
      return { session, writer, first: Array.from(first, b => b.toString(16).padStart(2, '0')).join('') };
    };
    const out = {};
    // Chromium's network process hears of the end in order, and ends the connection itself (its network log says so); the page is told by two pipes
    // of which one may be faster, and then reads "Connection lost" in about one of twelve times.
    for (let turn = 0; turn < 10 && !out.ended; ++turn) {
      const one = await begin();
      out.protocol = one.session.protocol;
      out.first = one.first;
      await one.writer.write(setup).catch(() => {}); // a second SETUP breaks the protocol
      out.ended = await one.session.closed.catch(why => { out.lost = String(why); });
    }
    out.ended ??= { closeCode: -1, reason: out.lost };
    const two = await begin();
    two.session.close({ closeCode: 5, reason: 'bye' });
    out.closed = await two.session.closed;
    out.strange = await failure(open(hex, ['no-such-protocol']));
    out.pinned = await failure(open('00'.repeat(32), ['moqt-18']));
    return { ...out, ended: { code: out.ended.closeCode, reason: out.ended.reason }, closed: { code: out.closed.closeCode, reason: out.closed.reason } };
  }, url, digest);
  console.log(JSON.stringify({ browser: await browser.version(), ...seen }));
}).finally(() => server.close());
