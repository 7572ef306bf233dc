#include "identity/callsign.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace ec::identity {
namespace {

constexpr size_t name_bytes_max = 64; // a VCT short name has 7 characters, the longest names of lineups some 30

bool letter(char c) {
  return c >= 'a' && c <= 'z';
}

bool digit(char c) {
  return c >= '0' && c <= '9';
}

template <class Of>
bool all(std::string_view text, Of of) {
  return !text.empty() && std::ranges::all_of(text, of);
}

template <size_t N>
bool one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::ranges::find(words, text) != words.end();
}

/// Words that networks are called by and that have the shape of a callsign.
constexpr std::array<std::string_view, 14> words{"cbsn", "cgtn", "chsn", "kids", "kidz", "kpop", "ktv", "web", "west", "wild", "word", "work", "wow", "wwe"};
/// Suffixes that say how a station sends, and do not tell stations apart.
constexpr std::array<std::string_view, 8> manners{"tv", "dt", "hd", "sd", "d", "dtv", "hdtv", "tdt"};
/// Those that are seen glued to a callsign. "ld" is not: WORLD is a network.
constexpr std::array<std::string_view, 5> glued{"hdtv", "dtv", "tv", "dt", "hd"};
/// Suffixes of low-power stations: part of the licensed name, for WXYZ-LD may be another station than WXYZ-TV.
constexpr std::array<std::string_view, 4> classes{"ld", "cd", "lp", "ca"};

/// Lower-case ASCII words; nothing if there is a character that no callsign is written with.
std::optional<std::vector<std::string>> words_of(std::string_view name) {
  std::vector<std::string> out(1);
  for (size_t i = 0; i < name.size();) {
    const auto lead = static_cast<uint8_t>(name[i]);
    const size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (i + length > name.size()) return std::nullopt;
    uint32_t c = length == 1 ? lead : lead & (0xffu >> (length + 1));
    for (size_t k = 1; k < length; ++k) c = c << 6 | (static_cast<uint8_t>(name[i + k]) & 0x3f);
    i += length;
    if (c >= 0xff01 && c <= 0xff5e) c -= 0xfee0; // full-width forms of ASCII
    const bool padding = c <= ' ' || c == 0x7f || c == 0xa0 || (c >= 0x2000 && c <= 0x200f) || c == 0x3000 || c == 0xfeff;
    const bool hyphen = c == '-' || c == '_' || c == '.' || (c >= 0x2010 && c <= 0x2015) || c == 0x2212;
    if (padding || hyphen) {
      if (!out.back().empty()) out.emplace_back();
      continue;
    }
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    if (c > 0x7f || !(letter(static_cast<char>(c)) || digit(static_cast<char>(c)))) return std::nullopt;
    out.back() += static_cast<char>(c);
  }
  if (out.back().empty()) out.pop_back();
  return out;
}

std::string_view without_digits(std::string_view word) {
  while (!word.empty() && digit(word.back())) word.remove_suffix(1);
  return word;
}

/// K or W and two or three letters [47 CFR 73.3550], or that of a translator: K or W, its channel, two letters [47 CFR 74.791].
bool usa(std::string_view base) {
  if (base.empty() || (base[0] != 'k' && base[0] != 'w')) return false;
  const auto rest = base.substr(1);
  if (rest.size() == 4 && all(rest.substr(0, 2), digit)) return all(rest.substr(2), letter);
  return (rest.size() == 2 || rest.size() == 3) && all(rest, letter);
}

bool canada(std::string_view base) {
  return (base.size() == 4 || base.size() == 5) && base[0] == 'c' && std::string_view("bfghijk").find(base[1]) != base.npos && all(base, letter);
}

bool mexico(std::string_view base) {
  return base.size() >= 3 && base.size() <= 7 && base[0] == 'x' && (base[1] == 'e' || base[1] == 'h') && all(base, letter);
}

/// "wabcdt2" without its "dt2", if it begins with a callsign of the USA.
std::optional<std::string> unglued(std::string_view word) {
  const auto body = without_digits(word);
  for (const auto suffix : glued) {
    if (!body.ends_with(suffix)) continue;
    const auto base = body.substr(0, body.size() - suffix.size());
    if (usa(base)) return std::string(base);
  }
  // A translator's -D: "w24cpd".
  if (body.size() == 6 && body == word && body.back() == 'd' && usa(body.substr(0, 5))) return std::string(body.substr(0, 5));
  return std::nullopt;
}

} // namespace

std::optional<callsign> read_callsign(std::string_view name) {
  if (name.size() > name_bytes_max) return std::nullopt;
  const auto found = words_of(name);
  if (!found || found->empty()) return std::nullopt;
  std::string base = found->front();
  bool suffixed = false;
  // A whole callsign before one with something glued to it: WHDT is a station, not "WH" in HD.
  if (!usa(base) && !canada(base) && !mexico(base)) {
    const auto inner = unglued(base);
    if (!inner) return std::nullopt;
    base = *inner;
    suffixed = true;
  }
  if (one_of(base, words)) return std::nullopt;
  std::string power, number;
  bool on_air = false; // "-DT" or "-TV", which networks do not put behind their names
  for (size_t i = 1; i < found->size(); ++i) {
    const std::string_view word = (*found)[i];
    const auto kind = without_digits(word);
    if (kind.empty()) {
      if (word.size() > 4) return std::nullopt;
      if (number.empty()) number = word;
    } else if (one_of(kind, classes)) {
      if (power.empty()) power = kind;
      suffixed = true;
    } else if (one_of(kind, manners)) {
      suffixed = true;
      on_air = on_air || kind == "dt" || kind == "tv";
    } else {
      return std::nullopt;
    }
  }
  callsign out{base, suffixed};
  if (canada(base)) {
    // Plain words begin like these (COMET does not, CBSN does); and its transmitters are told apart by a number: CIII-DT-41.
    if (!on_air && number.empty()) return std::nullopt;
    out.certain = true;
    number.erase(0, std::min(number.find_first_not_of('0'), number.size()));
    if (!number.empty()) out.text += "-" + number;
  } else if (!power.empty()) {
    out.text += "-" + power;
  }
  if (digit(base[1])) out.certain = true;
  return out;
}

} // namespace ec::identity
