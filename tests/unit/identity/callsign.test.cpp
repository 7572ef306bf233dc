#include "identity/callsign.hpp"

#include <cctype>
#include <random>

#include <doctest/doctest.h>

#include "base/json.hpp"
#include "tests/unit/identity/table.hpp"

using ec::identity::read_callsign;

namespace {

std::string name_of(const std::string& cell) {
  const auto parsed = ec::base::json::parse(cell);
  REQUIRE(parsed.has_value());
  return *parsed.value().as_string();
}

} // namespace

TEST_CASE("every golden name gives the callsign that the format's page says") {
  const auto rows = ec::test::golden_table("Name (JSON)");
  CHECK(rows.size() >= 50);
  for (const auto& row : rows) {
    REQUIRE(row.size() == 3);
    CAPTURE(row[0]);
    const auto got = read_callsign(name_of(row[0]));
    if (row[1] == "none") {
      CHECK_FALSE(got.has_value());
      continue;
    }
    REQUIRE(got.has_value());
    CHECK(got->text == row[1]);
    CHECK(got->certain == (row[2] == "yes"));
  }
}

TEST_CASE("case, padding and the kind of hyphen never change a callsign") {
  std::mt19937 random(5);
  const std::vector<std::string> padding{"", " ", "  ", "\t", std::string(3, '\0'), "\xc2\xa0", "\xe2\x80\x8b", "\xef\xbb\xbf"};
  const std::vector<std::string> hyphens{"-", " ", "_", " - ", "\xe2\x80\x93", "\xc2\xa0"};
  const auto pick = [&](const std::vector<std::string>& from) { return from[random() % from.size()]; };
  for (const auto& row : ec::test::golden_table("Name (JSON)")) {
    const auto name = name_of(row[0]);
    const auto expected = read_callsign(name);
    for (int round = 0; round < 200; ++round) {
      std::string spelled = pick(padding);
      for (const char c : name) {
        if (c == '-') spelled += pick(hyphens);
        else spelled += random() % 2 == 0 ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      }
      spelled += pick(padding);
      CAPTURE(spelled);
      CHECK(read_callsign(spelled) == expected);
    }
  }
}

TEST_CASE("a callsign that was read is its own callsign, and no text is too odd") {
  std::mt19937 random(6);
  const std::string letters = "KWCXBHEabdtvlz019-_ .\xc2\xa0\xe2\x80\xff!";
  for (int round = 0; round < 100'000; ++round) {
    std::string name;
    for (size_t size = random() % 12; size > 0; --size) name += letters[random() % letters.size()];
    const auto got = read_callsign(name);
    if (!got) continue;
    CAPTURE(name);
    CHECK(got->text.size() >= 3);
    CHECK(got->text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == got->text.npos);
    if (got->text.front() == 'c' && got->text.find('-') == got->text.npos) continue; // Canadian ones need a suffix
    REQUIRE(read_callsign(got->text).has_value());
    CHECK(read_callsign(got->text)->text == got->text);
  }
  CHECK_FALSE(read_callsign(std::string(1 << 20, 'w')).has_value());
}
