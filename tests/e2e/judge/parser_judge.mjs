// Judges a media playlist by the npm package hls-parser in strict mode, which throws at each breach of RFC 8216 that it knows.
//
//   node tests/e2e/judge/parser_judge.mjs PLAYLIST      prints one JSON object; exit code 0, 1, or 77 if it is not installed
import { readFileSync } from 'node:fs';
import { load } from './installed.mjs';

const HLS = load('parser_judge', 'hls-parser');
const report = { playlist: process.argv[2], segments: 0, problems: [] };
try {
  HLS.setOptions({ strictMode: true });
  const playlist = HLS.parse(readFileSync(process.argv[2], 'utf8'));
  if (playlist.isMasterPlaylist) throw new Error('is a multivariant playlist');
  report.segments = playlist.segments.length;
  report.target_duration_s = playlist.targetDuration;
  report.ended = playlist.endlist;
  report.extinf_s = playlist.segments.reduce((sum, segment) => sum + segment.duration, 0);
  if (report.segments === 0) report.problems.push('lists no segment');
  for (const segment of playlist.segments) {
    if (Math.round(segment.duration) > playlist.targetDuration)
      report.problems.push(`${segment.uri}: ${segment.duration} s is over the target duration ${playlist.targetDuration}`);
  }
} catch (why) {
  report.problems.push(String(why.message ?? why));
}
console.log(JSON.stringify(report, null, 1));
process.exit(report.problems.length === 0 ? 0 : 1);
