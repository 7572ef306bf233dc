#pragma once

#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "hls/segment_writer.hpp"
#include "tests/support/data.hpp"
#include "tests/support/temp_dir.hpp"

namespace ec::test {

/// A digest good enough to tell test segments apart: the hls room is handed its digest function.
inline std::string toy_digest(std::span<const uint8_t> in) {
  uint64_t sum = 14'695'981'039'346'656'037u;
  for (const uint8_t byte : in) sum = (sum ^ byte) * 1'099'511'628'211u;
  std::string out;
  for (int i = 60; i >= 0; i -= 4) out += "0123456789abcdef"[sum >> i & 15];
  return out;
}

/// A verified chunk of two packets and 2.002 s whose bytes follow from its index.
inline hls::segment make_segment(uint64_t index, int64_t duration_pts = 180'180, size_t packets = 2) {
  std::vector<uint8_t> data(packets * 188, static_cast<uint8_t>(index));
  data[0] = 0x47;
  hls::segment s{.index = index, .data = base::bytes::adopt(std::move(data)), .duration_pts = duration_pts};
  s.digest_hex = toy_digest(s.data);
  s.verified = true;
  s.signer = "ed25519:aa";
  return s;
}

inline hls::segment_writer open_writer(const hls::writer_config& cfg) {
  auto opened = hls::segment_writer::open(cfg);
  REQUIRE_MESSAGE(opened.has_value(), (opened.has_value() ? "" : opened.error().message()));
  return std::move(opened).value();
}

inline hls::written append(hls::segment_writer& writer, const hls::segment& s) {
  const auto done = writer.append(s);
  REQUIRE_MESSAGE(done.has_value(), (done.has_value() ? "" : done.error().message()));
  return done.value();
}

inline hls::media_playlist playlist_in(const temp_dir& dir) {
  const auto parsed = hls::parse(read_text(dir / "index.m3u8"));
  REQUIRE_MESSAGE(parsed.has_value(), (parsed.has_value() ? "" : parsed.error().message()));
  return parsed.value();
}

inline void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// Makes the disk look full: no file grows over `bytes` while it lives.
class full_disk {
public:
  explicit full_disk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit now{bytes, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &now) == 0);
  }
  full_disk(const full_disk&) = delete;
  full_disk& operator=(const full_disk&) = delete;
  ~full_disk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

} // namespace ec::test
