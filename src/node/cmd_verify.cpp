#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

#include "actors/topology/common.hpp"
#include "base/file.hpp"
#include "crypto/digest.hpp"
#include "hls/manifest_log.hpp"
#include "hls/playlist.hpp"
#include "hls/segment_writer.hpp"
#include "hls/sidecar.hpp"
#include "hls/verify.hpp"
#include "manifest/attestation.hpp"
#include "manifest/trust_file.hpp"
#include "manifest/verifier.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/verify_evidence.hpp"
#include "node/verify_objects.hpp"
#include "object/format.hpp"

namespace ec::node {
namespace {

struct verify_config {
  std::vector<std::string> path;
  std::vector<std::string> trust;
  std::filesystem::path trust_file;
  size_t min_signers = 1;
  bool allow_unverified = false;
  std::filesystem::path network_secret_file;
};

/// Says what is wrong and remembers that something was.
class findings {
public:
  void add(const std::string& about, const std::string& text) {
    std::printf("WRONG  %s: %s\n", about.c_str(), text.c_str());
    ++count_;
  }
  size_t count() const { return count_; }

private:
  size_t count_ = 0;
};

/// Whose word counts, as --trust and --trust-file say it.
class trusted {
public:
  static base::result<trusted> of(const verify_config& config) {
    trusted out;
    for (const auto& text : config.trust)
      if (const auto added = out.named_.add(text); !added) return base::fail(actors::about_setting(added.error(), "--trust"));
    if (config.trust_file.empty()) return out;
    auto file = manifest::load_trust_file(config.trust_file.string());
    if (!file) return base::fail(actors::about_setting(file.error(), "--trust-file"));
    out.file_ = std::move(file).value();
    return out;
  }

  /// Nobody was named: neither by an option nor in a file.
  bool nobody() const { return named_.size() == 0 && !file_; }
  /// Of one stream: a trust file names keys for each. Errors: too_large.
  base::result<manifest::trust_set> in(const std::string& stream_id) const {
    auto out = named_;
    if (file_) {
      EC_TRYV(manifest::apply(*file_, stream_id, out));
    }
    return out;
  }
  /// Keys that could count for one stream or another.
  size_t most() const {
    size_t count = named_.size();
    if (file_)
      for (const auto& rule : file_->rules) count += rule.keys.size();
    return count;
  }

private:
  manifest::trust_set named_;
  std::optional<manifest::trust_file> file_;
};

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

/// Proves every listed segment: a manifest that a trusted key signed lists the digest of exactly these bytes.
size_t prove_segments(const std::string& dir, const trusted& trust, size_t min_signers, findings& wrong) {
  const auto records = hls::manifest_log::read(dir);
  const auto playlist_text = base::read_file(dir + "/" + hls::playlist_file_name, base::limits::hls_playlist_bytes_max);
  const auto sidecar_text = base::read_file(dir + "/" + hls::sidecar_file_name, base::limits::hls_sidecar_bytes_max);
  if (!records) {
    wrong.add(hls::manifest_log_file_name, "no signed manifests are kept here: " + records.error().message());
    return 0;
  }
  if (!playlist_text || !sidecar_text) return 0; // said already
  std::map<uint64_t, const hls::manifest_record*> by_index;
  for (const auto& r : records.value()) by_index[r.index] = &r;
  size_t proven = 0;
  for (const auto& s : hls::parse_sidecar(sidecar_text.value().text()).records) {
    if (playlist_text.value().text().find("\n" + s.file + "\n") == std::string_view::npos) continue;
    const auto at = by_index.find(s.index);
    if (at == by_index.end()) {
      wrong.add(s.file, "no signed manifest is kept for chunk " + std::to_string(s.index));
      continue;
    }
    const auto& r = *at->second;
    const auto decoded = manifest::decode(base::as_span(r.manifest));
    const auto* m = decoded ? std::get_if<manifest::signed_manifest>(&decoded.value()) : nullptr;
    if (m == nullptr) {
      wrong.add(s.file, "its manifest cannot be read: " + (decoded ? "it holds no content" : decoded.error().message()));
      continue;
    }
    const auto counts = trust.in(m->content.stream_id);
    if (!counts) {
      wrong.add(s.file, counts.error().message());
      continue;
    }
    manifest::verifier verifier(m->content.stream_id, counts.value(), {.signers_required = min_signers});
    const auto outcome = verifier.accept(base::as_span(r.manifest), base::wall_now());
    if (!outcome.accepted) {
      wrong.add(s.file, "its manifest does not count: " + (outcome.refusals.empty() ? std::string("unknown") : outcome.refusals.front().text));
      continue;
    }
    if (const auto signers = verifier.signers_of(s.index); signers < min_signers) {
      wrong.add(s.file, std::to_string(signers) + " of " + std::to_string(min_signers) + " required signers list chunk " + std::to_string(s.index));
      continue;
    }
    const auto bytes = base::read_file(dir + "/" + s.file, base::limits::chunk_bytes_max);
    if (!bytes) {
      wrong.add(s.file, bytes.error().message());
      continue;
    }
    const auto versions = verifier.versions(s.index);
    const auto digest = digest_of(r, bytes.value());
    if (std::ranges::none_of(versions, [&](const auto& v) { return v.digest == digest; })) {
      wrong.add(s.file, "its bytes are not what the manifest lists for chunk " + std::to_string(s.index));
      continue;
    }
    ++proven;
  }
  return proven;
}

bool verify_directory(const std::string& dir, const verify_config& config, const trusted& trust, findings& wrong) {
  const auto digest = [](std::span<const uint8_t> bytes) { return crypto::blake3(bytes).hex(); };
  const auto report = hls::verify_directory(dir, digest, {.allow_unverified = config.allow_unverified});
  if (!report) {
    wrong.add(dir, report.error().message());
    return false;
  }
  const auto& r = report.value();
  for (const auto& f : r.findings) wrong.add(f.about, f.text);
  std::string line = dir + ": " + std::to_string(r.listed) + " segments listed, " + std::to_string(r.right) + " intact, " +
                     std::to_string(r.verified) + " verified when written, " + std::to_string(r.damaged) + " damaged";
  if (!trust.nobody()) line += ", " + std::to_string(prove_segments(dir, trust, config.min_signers, wrong)) + " proven by trusted keys";
  else line += " (with --trust or --trust-file the signed manifests are checked too)";
  std::printf("%s\n", line.c_str());
  return true;
}

void verify_manifest(const std::string& file, const verify_config& config, const trusted& trust, findings& wrong) {
  const auto bytes = base::read_file(file, base::limits::manifest_bytes_max);
  if (!bytes) return wrong.add(file, bytes.error().message());
  const auto decoded = manifest::decode(bytes.value());
  if (!decoded) return wrong.add(file, decoded.error().message());
  const auto* m = std::get_if<manifest::signed_manifest>(&decoded.value());
  if (m == nullptr) return wrong.add(file, "holds late attestations only; give the manifest that they attest");
  std::printf("manifest   %s\nstream-id  %s\nchunks     %llu to %llu\n", manifest::manifest_id(m->content).hex().c_str(),
    m->content.stream_id.c_str(), static_cast<unsigned long long>(m->content.chunk_start_index),
    static_cast<unsigned long long>(m->content.end_index() - 1));
  for (const auto& a : m->attestations)
    std::printf("signer     %s, sequence %llu\n", a.signer.to_string().c_str(), static_cast<unsigned long long>(a.sequence));
  if (trust.nobody()) return wrong.add(file, "no --trust KEY or --trust-file FILE was given: nobody's signature counts");
  const auto counts = trust.in(m->content.stream_id);
  if (!counts) return wrong.add(file, counts.error().message());
  manifest::verifier verifier(m->content.stream_id, counts.value());
  const auto outcome = verifier.accept(bytes.value(), base::wall_now());
  for (const auto& r : outcome.refusals) wrong.add(file, r.text);
  const auto signers = outcome.accepted ? outcome.accepted->signers.size() : 0;
  if (signers == 0) return;
  if (signers < config.min_signers)
    wrong.add(file, std::to_string(signers) + " of " + std::to_string(config.min_signers) + " required signers signed it");
  else std::printf("right: signed by %s\n", signers == 1 ? "a trusted key" : (std::to_string(signers) + " trusted keys").c_str());
}

} // namespace

int cmd_verify(const std::vector<std::string>& args) {
  static const command_help help{"verify",
    "Checks what was written: an HLS directory (every segment against the signed manifest that lists it), a file of objects (every "
    "piece, tail, manifest and signature), a manifest, or evidence against a signer. Says what is right and what is not; exit code 1 if anything is not.",
    {"ec-node verify live --trust ed25519:...", "ec-node verify live.objects --trust ed25519:...",
      "ec-node verify manifest.json --trust ed25519:..."}};
  static const auto settings = [] {
    std::vector<setting<verify_config>> all = {
      make_setting("path", "PATH...", "HLS directories, files of objects, manifests, evidence", &verify_config::path),
      make_setting("trust", "KEY", "ed25519:<hex> of a signer whose word counts", &verify_config::trust),
      make_setting("trust-file", "FILE", "JSON: whose word counts for which streams, and which keys are revoked; adds to --trust", &verify_config::trust_file),
      make_setting("min-signers", "K", "trusted keys that must have signed what lists a chunk (1)", &verify_config::min_signers),
      make_setting("network-secret-file", "FILE", "secret that the keys of a file of objects are derived from, beside the stream id",
        &verify_config::network_secret_file),
      make_setting("allow-unverified", "", "segments that no manifest listed are no fault (false)", &verify_config::allow_unverified),
    };
    all[0].positional = true;
    return all;
  }();
  verify_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  if (config.path.empty()) {
    print_error(help.name, "what should be checked? Give an HLS directory, a file of objects or a manifest");
    return exit_usage;
  }
  const auto trust = trusted::of(config);
  if (config.min_signers == 0 || (config.min_signers > 1 && trust && trust.value().most() < config.min_signers)) {
    print_error(help.name, "--min-signers takes a number from 1 to that of the trusted keys, not " + std::to_string(config.min_signers));
    return exit_usage;
  }
  if (!trust) {
    print_error(help.name, trust.error().message());
    return exit_usage;
  }
  const auto secret = actors::read_network_secret(config.network_secret_file);
  if (!secret) {
    print_error(help.name, secret.error().message());
    return exit_usage;
  }
  findings wrong;
  const auto say = [&](const std::string& about, const std::string& text) { wrong.add(about, text); };
  for (const auto& path : config.path) {
    if (std::filesystem::is_directory(path)) verify_directory(path, config, trust.value(), wrong);
    else if (is_object_file(path))
      verify_object_file(path,
        [&](const std::string& stream_id) -> base::result<manifest::trust_set> {
          if (trust.value().nobody()) return manifest::trust_set::first_use();
          return trust.value().in(stream_id);
        },
        config.min_signers, secret.value(), say);
    else if (is_evidence_file(path)) verify_evidence_file(path, say);
    else verify_manifest(path, config, trust.value(), wrong);
  }
  std::printf("%s\n", wrong.count() == 0 ? "all is right" : (std::to_string(wrong.count()) + " things are wrong").c_str());
  return wrong.count() == 0 ? exit_ok : exit_not_verified;
}

} // namespace ec::node
