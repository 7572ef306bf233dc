// Judges an HLS directory by hls.js in headless Chromium (H.264 and AAC: what a browser decodes).
//
//   node tests/e2e/judge/browser_judge.mjs DIR [--seconds N] [--rate R] [--timeout S]
//
// Serves DIR on loopback, plays its index.m3u8 and demands: `seconds` of media (default: all of it, at most 20) go by
// without a stall of the player, pictures and sound are decoded, no error of hls.js or of the element. Prints one JSON
// object; exit code 0, 1, or 77 if Chromium or the packages are missing.
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join, resolve } from 'node:path';
import { packageFolder, withBrowser } from './installed.mjs';

const NAME = 'browser_judge';
const given = process.argv.slice(2);
const option = (name, fallback) => {
  const at = given.indexOf(name);
  return at < 0 ? fallback : Number(given.splice(at, 2)[1]);
};
const seconds = option('--seconds', 0);
const rate = option('--rate', 1);
const timeout = option('--timeout', 60);
const dir = resolve(given[0] ?? '.');
const player = readFileSync(join(packageFolder(NAME, 'hls.js'), 'dist/hls.min.js'));

const page = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><video muted playsinline></video>
<script src="/hls.js"></script>
<script>
const video = document.querySelector('video');
const seen = window.seen = { errors: [], stalls: 0, ended: false, length: 0 };
const player = new Hls({ startPosition: 0, maxBufferLength: 60 });
player.on(Hls.Events.ERROR, (_, data) => {
  if (data.details === Hls.ErrorDetails.BUFFER_STALLED_ERROR) ++seen.stalls;
  seen.errors.push([data.fatal ? 'fatal' : 'error', data.type, data.details, data.reason || (data.error && data.error.message) || ''].join(' '));
});
player.on(Hls.Events.LEVEL_LOADED, (_, data) => { seen.length = data.details.totalduration; });
video.addEventListener('ended', () => { seen.ended = true; });
video.addEventListener('error', () => seen.errors.push('element: ' + video.error.message));
player.on(Hls.Events.MANIFEST_PARSED, () => { video.playbackRate = ${rate}; video.play().catch(why => seen.errors.push('play: ' + why.message)); });
player.loadSource('/media/index.m3u8');
player.attachMedia(video);
</script>`;

const TYPES = { m3u8: 'application/vnd.apple.mpegurl', ts: 'video/mp2t' };
const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname;
  if (path === '/') return response.setHeader('content-type', 'text/html').end(page);
  if (path === '/hls.js') return response.setHeader('content-type', 'text/javascript').end(player);
  const file = join(dir, basename(path));
  if (!path.startsWith('/media/') || !existsSync(file) || !statSync(file).isFile()) return response.writeHead(404).end();
  response.setHeader('content-type', TYPES[file.split('.').pop()] ?? 'application/octet-stream');
  createReadStream(file).pipe(response);
});
await new Promise(done => server.listen(0, '127.0.0.1', done));

const report = { dir, problems: [] };
try {
  await withBrowser(NAME, ['--disable-quic', '--autoplay-policy=no-user-gesture-required'], async browser => {
    const tab = await browser.newPage();
    await tab.goto(`http://127.0.0.1:${server.address().port}/`);
    try {
      await tab.waitForFunction((wanted) => {
        const { seen } = window;
        const enough = wanted || Math.min(20, seen.length - 0.5);
        return seen.ended || (seen.length > 0 && document.querySelector('video').currentTime >= enough) ||
          seen.errors.some(text => text.startsWith('fatal') || text.startsWith('element'));
      }, { timeout: timeout * 1000, polling: 100 }, seconds);
    } catch (why) {
      report.problems.push(`did not get there in ${timeout} s: ${why.message}`);
    }
    Object.assign(report, await tab.evaluate(() => {
      const video = document.querySelector('video');
      const quality = video.getVideoPlaybackQuality();
      return { played_s: video.currentTime, listed_s: window.seen.length, width: video.videoWidth, height: video.videoHeight,
        video_frames: quality.totalVideoFrames, dropped_frames: quality.droppedVideoFrames,
        audio_bytes: video.webkitAudioDecodedByteCount, stalls: window.seen.stalls, errors: window.seen.errors };
    }));
  });
  for (const error of report.errors) {
    // A broadcast sends pictures ahead of their sound, up to the decoder's buffer of a second: where it is tuned in to, the sound that
    // comes first belongs to earlier pictures, and a player goes to the first moment that has both. No fault.
    const lead = /bufferSeekOverHole.*seeking from 0 to ([0-9.]+)/.exec(error);
    if (!lead || Number(lead[1]) > 1) report.problems.push(error);
  }
  if (report.played_s < (seconds || Math.min(20, report.listed_s - 0.5)) - 0.1) report.problems.push(`played ${report.played_s} s only`);
  if (!report.video_frames) report.problems.push('no picture was decoded');
  if (!report.audio_bytes) report.problems.push('no sound was decoded');
} catch (why) {
  report.problems.push(String(why.message ?? why));
} finally {
  server.closeAllConnections();
  server.close();
}
console.log(JSON.stringify(report, null, 1));
process.exit(report.problems.length === 0 ? 0 : 1);
