#include "tests/simulation/invariants.hpp"

#include <algorithm>
#include <charconv>

#include "base/file.hpp"
#include "hls/manifest_log.hpp"
#include "hls/playlist.hpp"
#include "hls/segment_writer.hpp"
#include "hls/sidecar.hpp"
#include "hls/verify.hpp"
#include "manifest/attestation.hpp"
#include "object/format.hpp"
#include "tests/support/reports.hpp"

namespace ec::simulation {
namespace {

using test::flag_of, test::int_of, test::text_of;

constexpr uint64_t looks_per_folder = 10; // beside one after each crash
constexpr size_t listing_kept = 4096; // chunks of which the digests are remembered

std::string chunk_name(uint64_t index) { return "chunk " + std::to_string(index); }
std::string host_name(host_id host) { return "host " + std::to_string(host); }

/// The chunk digest of a segment's bytes: what manifests list.
crypto::digest digest_of(const hls::manifest_record& r, const base::bytes& bytes) {
  object::chunk_tail tail;
  tail.first_pts = r.first_pts;
  tail.duration = r.duration;
  tail.size = bytes.size();
  for (uint32_t place = 0; place < object::piece_count(bytes.size()); ++place)
    tail.pieces.push_back(crypto::blake3(bytes.slice(size_t{place} * base::limits::piece_bytes, base::limits::piece_bytes)));
  if (!r.publisher.empty()) tail.damage = {r.publisher, r.reason};
  return tail.digest();
}

} // namespace

void invariants::fail(std::string what) {
  if (!failure_) failure_ = std::move(what);
}

void invariants::on_report(host_id host, const actors::report& r) {
  ++totals_.events[r.event];
  auto& log = world_.log();
  log.add(host);
  log.add(r.event);
  for (const auto& [key, value] : r.fields)
    if (!key.ends_with("_unix_us")) log.add(base::json::dump(value)); // the real clock's reading of simulated moments
  if (r.event == "rejected") ++totals_.rejected;
  if (r.event == "skipped") totals_.skipped += static_cast<uint64_t>(int_of(r, "last") - int_of(r, "first") + 1);
  if (r.event == "branch-down" || r.event == "hls-fault") blame(host);
  auto& state = receptions_[host];
  if (r.event == "chunk") {
    const auto index = static_cast<uint64_t>(int_of(r, "chunk"));
    const auto digest = crypto::digest::from_hex(text_of(r, "digest"));
    ++totals_.delivered;
    totals_.damaged += flag_of(r, "damaged") ? 1 : 0;
    if (!flag_of(r, "verified")) fail(host_name(host) + " delivered " + chunk_name(index) + " unverified");
    if (!digest || !listed_[index].contains(*digest)) fail(host_name(host) + " delivered " + chunk_name(index) + " with a digest that was never signed");
    if (state.last && index <= *state.last) fail(host_name(host) + " delivered " + chunk_name(index) + " after " + chunk_name(*state.last));
    state.last = index;
  }
  if (r.event == "segment") {
    ++totals_.segments;
    state.written.emplace(static_cast<uint64_t>(int_of(r, "chunk")), world_.now());
  }
}

void invariants::on_published(host_id host, const moq::track& t, const moq::object& o) {
  if (t.name().name == "manifests" && nodes_.at(host)->what() == role::leader) on_manifest(host, o.payload);
}

void invariants::on_group_ended(host_id host, const moq::track& t, uint64_t group, bool reset) {
  if (t.name().name != "chunks" || nodes_.at(host)->what() == role::liar) return;
  if (reset) offered_[group].erase(host);
  else offered_[group].emplace(host, world_.now());
}

void invariants::on_manifest(host_id host, const base::bytes& payload) {
  ++totals_.manifests;
  const auto read = manifest::decode(payload);
  const auto* m = read ? std::get_if<manifest::signed_manifest>(&read.value()) : nullptr;
  if (m == nullptr) return fail(host_name(host) + " published a manifest that cannot be read");
  for (const auto& a : m->attestations) {
    if (a.signer != key_ring::of_process().signer) return fail(host_name(host) + " published the manifest of another signer");
    const std::vector<uint8_t> text(payload.begin(), payload.end());
    if (const auto [at, fresh] = sequences_.emplace(a.sequence, text); !fresh && at->second != text)
      fail("the signer's number " + std::to_string(a.sequence) + " stands on two statements");
    check_state_first(host, a.sequence);
  }
  check_signed_twice(m->content);
  for (auto i = m->content.chunk_start_index; i < m->content.end_index(); ++i) {
    const auto& entry = m->content.at(i);
    if (entry.state == manifest::chunk_state::missing) continue;
    listed_[i].insert(entry.digest);
    if (entry.state != manifest::chunk_state::whole) continue;
    totals_.chunks_signed += listed_whole_.emplace(i, world_.now()).second ? 1 : 0;
    const auto truth = station_.truth().find(i);
    if (truth != station_.truth().end() && truth->second.digest != entry.digest) fail("the signer lists " + chunk_name(i) + " as whole, and it is not what was broadcast");
  }
  const auto forget = [](auto& map) {
    while (map.size() > listing_kept) map.erase(map.begin());
  };
  forget(listed_);
  forget(listed_whole_);
  forget(offered_);
  forget(epochs_);
  forget(sequences_);
}

/// An epoch has one content; one that is not whole may be followed once by one that is and agrees with it.
void invariants::check_signed_twice(const manifest::content& c) {
  auto& known = epochs_[c.chunk_start_index];
  if (std::ranges::find(known, c) != known.end()) return;
  if (!known.empty()) {
    const auto& first = known.front();
    bool agrees = known.size() == 1 && first.chunks.size() == c.chunks.size() && !first.all_whole() && c.all_whole();
    for (size_t i = 0; agrees && i < c.chunks.size(); ++i)
      agrees = first.chunks[i].state != manifest::chunk_state::whole || first.chunks[i] == c.chunks[i];
    if (!agrees) fail("epoch " + std::to_string(c.epoch_id) + " was signed twice with different contents");
  }
  known.push_back(c);
}

/// What a power cut would leave at this moment must know of the signature that leaves now.
void invariants::check_state_first(host_id host, uint64_t sequence) {
  auto& disk = nodes_.at(host)->disk;
  std::vector<std::string> files;
  {
    const sim_disk::glance look(disk);
    disk.list(state_folder, files);
  }
  for (const auto& file : files) {
    if (!file.starts_with("signer-")) continue;
    const auto held = disk.durable(state_folder + "/" + file);
    const auto text = held ? std::string_view(reinterpret_cast<const char*>(held->data()), held->size()) : std::string_view{};
    constexpr std::string_view member = "\"next_sequence\":";
    const auto at = text.find(member);
    // A later signature's state may stand there already: they leave one after the other.
    uint64_t next = 0;
    if (at != std::string_view::npos) std::from_chars(text.data() + at + member.size(), text.data() + text.size(), next);
    if (next > sequence) return;
  }
  fail("signature number " + std::to_string(sequence) + " left before the signer's state was on the disk");
}

void invariants::on_placed(host_id host, const std::string& path, const std::vector<uint8_t>& content) {
  if (path == hls_folder + "/" + hls::playlist_file_name)
    check_newest_segment(host, std::string(content.begin(), content.end()));
}

/// Nothing but what was broadcast, or what the signer lists as its damaged version of it, comes to stand in a playlist.
void invariants::check_newest_segment(host_id host, const std::string& text) {
  auto& n = *nodes_.at(host);
  const auto playlist = hls::parse(text);
  if (!playlist) return fail(host_name(host) + ": a playlist that cannot be read: " + playlist.error().message());
  if (playlist.value().entries.empty()) return;
  const auto& uri = playlist.value().entries.back().uri;
  const auto name = hls::parse_segment_file_name(uri);
  if (!name) return fail(host_name(host) + " lists " + uri);
  const sim_disk::glance look(n.disk);
  const auto bytes = base::read_file(hls_folder + "/" + uri, base::limits::chunk_bytes_max, n.disk);
  if (!bytes) return fail(host_name(host) + " lists " + uri + ", and it is not there");
  const auto truth = station_.truth().find(name->index);
  if (truth != station_.truth().end() && crypto::blake3(bytes.value()) == truth->second.plaintext) return;
  const auto proofs = hls::manifest_log::read(hls_folder, n.disk);
  if (proofs) {
    for (const auto& r : proofs.value())
      if (r.index == name->index && listed_[r.index].contains(digest_of(r, bytes.value())) && !r.publisher.empty()) return;
  }
  fail(host_name(host) + " shows bytes as " + chunk_name(name->index) + " that were neither broadcast nor signed");
}

void invariants::on_crashed(host_id host, crash how) {
  if (how == crash::power_cut && nodes_.at(host)->config().subscribe.hls_mode == "window") loose_.insert(host);
  blame(host);
  crashed_.insert(host);
  receptions_[host].last.reset();
  ++totals_.restarts;
}

/// What a player would find now, also right after a crash.
void invariants::check_folder(host_id host) {
  auto& n = *nodes_.at(host);
  const sim_disk::glance look(n.disk);
  const auto digest = [](std::span<const uint8_t> bytes) { return crypto::blake3(bytes).hex(); };
  const auto report = hls::verify_directory(hls_folder, digest, {}, n.disk);
  if (!report) {
    if (report.error().code != base::errc::not_found) fail(host_name(host) + ": " + report.error().message());
    return;
  }
  for (const auto& f : report.value().findings) {
    // A line that was cut in its middle is taken away at the next start; what is listed never depends on it.
    if (f.what == hls::fault::sidecar_malformed) continue;
    fail(host_name(host) + ": " + f.about + ": " + f.text);
  }
  const auto text = base::read_file(hls_folder + "/" + hls::playlist_file_name, base::limits::hls_playlist_bytes_max, n.disk);
  const auto playlist = text ? hls::parse(text.value().text()) : base::result<hls::media_playlist>(base::fail(base::errc::not_found, "gone"));
  const auto proofs = hls::manifest_log::read(hls_folder, n.disk);
  if (!playlist) return;
  std::set<uint64_t> proven;
  if (proofs)
    for (const auto& r : proofs.value()) proven.insert(r.index);
  for (const auto& e : playlist.value().entries)
    if (const auto name = hls::parse_segment_file_name(e.uri); name && !proven.contains(name->index))
      fail(host_name(host) + " lists " + e.uri + " and has lost the manifest that proves it");
}

bool invariants::well_since(host_id a, host_id b, base::mono_time since) const {
  const auto bad = [&](const auto& map, const auto& key) {
    const auto at = map.find(key);
    return at != map.end() && at->second >= since;
  };
  return !bad(bad_host_, a) && !bad(bad_host_, b) && !bad(bad_way_, std::pair(std::min(a, b), std::max(a, b)));
}

void invariants::check_promises(host_id subscriber, reception_state& state) {
  const auto chunk = station_.chunk_duration();
  auto& n = *nodes_.at(subscriber);
  for (auto at = listed_whole_.lower_bound(state.judged_below); at != listed_whole_.end(); ++at) {
    const auto [index, listed] = *at;
    const auto due = listed + promises_.late_max * chunk;
    if (due > world_.now()) return;
    state.judged_below = index + 1;
    const auto since = listed - promises_.recovery * chunk;
    if (since < world_.now() - world_.elapsed()) continue; // before all of it was there
    const auto reachable = [&](host_id from) { return well_since(subscriber, from, since); };
    const bool heard = std::ranges::any_of(nodes_, [&](const auto& one) { return one.second->what() == role::leader && reachable(one.first); });
    if (!heard) continue;
    const auto& sources = offered_[index];
    const bool had = std::ranges::any_of(sources, [&](const auto& one) {
      return one.second + promises_.late_max * chunk <= world_.now() && reachable(one.first) &&
             std::ranges::find(n.config().subscribe.remote, nodes_.at(one.first)->address()) != n.config().subscribe.remote.end();
    });
    if (!had) continue;
    const auto got = state.written.find(index);
    if (got == state.written.end())
      return fail(host_name(subscriber) + " does not have " + chunk_name(index) + ", which was signed and to be had " +
                  std::to_string(promises_.late_max) + " chunk durations ago");
    ++totals_.promised;
  }
}

void invariants::check_caches(const node& n) {
  size_t sum = 0;
  for (const auto* t : n.tracks()) {
    const auto groups_max = t->name().name == "manifests" ? promises_.manifest_groups_max : promises_.chunk_groups_max;
    if (t->groups().size() > groups_max || t->cached_bytes() > promises_.cache_bytes_max)
      fail(host_name(n.host()) + " caches " + std::to_string(t->groups().size()) + " groups, " + std::to_string(t->cached_bytes()) +
           " bytes of track " + t->name().name);
    sum += t->cached_bytes();
  }
  totals_.cached_max = std::max(totals_.cached_max, sum);
}

void invariants::check() {
  for (auto& [host, n] : nodes_) {
    if (!n->up()) blame(host);
    if (n->disk.full || n->disk.failing || n->disk.sync_fails > 0 || n->disk.crash_at_call) blame(host);
    if (n->what() != role::liar) check_caches(*n);
  }
}

void invariants::check_deeply() {
  ++looks_;
  totals_.chunks_broadcast = station_.truth().size();
  for (const auto& [a, na] : nodes_)
    for (const auto& [b, nb] : nodes_) {
      const auto& way = net_.between(a, b);
      if (way.cut || way.bytes_per_second > 0) blame(a, b);
    }
  for (auto& [host, n] : nodes_) {
    if (n->what() != role::subscriber) continue;
    auto& state = receptions_[host];
    check_promises(host, state);
    while (state.written.size() > listing_kept) state.written.erase(state.written.begin());
    if ((crashed_.contains(host) || looks_ % looks_per_folder == 0) && !loose_.contains(host)) check_folder(host);
    n->ask_status([this, host = host](const actors::subscriber_status& s) {
      totals_.waiting_max = std::max(totals_.waiting_max, s.held.bytes_waiting);
      if (s.held.bytes_waiting > base::limits::subscriber_wait_bytes_max || s.held.groups_waiting > base::limits::subscriber_wait_groups_max)
        fail(host_name(host) + " holds " + std::to_string(s.held.bytes_waiting) + " bytes in " + std::to_string(s.held.groups_waiting) + " waiting groups");
    });
  }
  crashed_.clear();
}

} // namespace ec::simulation
