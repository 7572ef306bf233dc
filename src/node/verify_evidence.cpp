#include "node/verify_evidence.hpp"

#include <cstdio>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/limits.hpp"
#include "manifest/evidence.hpp"

namespace ec::node {
namespace {

using manifest::evidence_kind;
namespace limits = base::limits;

void print_statement(const char* which, const manifest::evidence::statement& s) {
  const auto& a = s.attestation;
  std::printf("%-10s attestation %llu, signed %llu ms after 1970, of manifest %s\n", which, static_cast<unsigned long long>(a.sequence),
    static_cast<unsigned long long>(a.signed_unix_ms), s.manifest_id.hex().c_str());
  if (s.content != nullptr)
    std::printf("%-10s chunks %llu to %llu\n", "", static_cast<unsigned long long>(s.content->chunk_start_index),
      static_cast<unsigned long long>(s.content->end_index() - 1));
}

const char* meaning(evidence_kind k) {
  switch (k) {
  case evidence_kind::equivocation: return "the signer signed two contents of one chunk that contradict each other. Nobody but the holder of the key can have made both";
  case evidence_kind::fork: return "the signer signed two attestations that cannot stand in one chain: it lies, its key has two users, its state is an old copy, or it lost its state and its clock was set back";
  case evidence_kind::rollback: return "the second is older than all that was remembered: somebody shows it again, which need not be the signer";
  case evidence_kind::gap: return "what the signer attested between the two had not come by then: it was late, lost or held back, which need not be the signer's doing";
  }
  return "";
}

} // namespace

bool is_evidence_file(const std::string& path) {
  const auto text = base::read_file(path, limits::evidence_bytes_max);
  if (!text) return false;
  const auto v = base::json::parse(text.value().text(), {.bytes_max = limits::evidence_bytes_max, .depth_max = 10});
  return v && v.value().find("evidence") != nullptr;
}

void verify_evidence_file(const std::string& path, const say_wrong& wrong) {
  const auto text = base::read_file(path, limits::evidence_bytes_max);
  if (!text) return wrong(path, text.error().text);
  const auto read = manifest::decode_evidence(text.value().text());
  if (!read) return wrong(path, read.error().message());
  const auto& e = read.value();
  std::printf("evidence   %s\nsigner     %s\n", std::string(name(e.kind)).c_str(), e.signer.to_string().c_str());
  if (e.first.content != nullptr) std::printf("stream-id  %s\n", e.first.content->stream_id.c_str());
  print_statement("first", e.first);
  print_statement("second", e.second);
  if (auto why = manifest::fault(e); !why.empty()) return wrong(path, "shows nothing: " + why);
  std::printf("proven: both are signed by this key, and %s\n", meaning(e.kind));
}

} // namespace ec::node
