#include "tuner/fault_plan.hpp"

#include <doctest/doctest.h>

using namespace ec;
using namespace std::chrono_literals;
using tuner::played_fault;

TEST_SUITE("tuner/fault_plan") {

TEST_CASE("a fault is read as it is written, and printed so that it is read the same") {
  struct row {
    const char* text;
    tuner::planned_fault fault;
    const char* printed;
  };
  for (const auto& r : {row{"stall@10s:3s", {played_fault::stall, 10s, 3s}, "stall@10s:3s"},
         row{"stall@10s", {played_fault::stall, 10s, 3s}, "stall@10s:3s"},
         row{"reset@1500ms", {played_fault::reset, 1500ms, 0s}, "reset@1500ms"},
         row{"http-503@2m:60s", {played_fault::http_503, 2min, 60s}, "http-503@2m:1m"},
         row{"content-type@0s:1ms", {played_fault::content_type, 0s, 1ms}, "content-type@0s:1ms"},
         row{"garbage@0ms", {played_fault::garbage, 0s, 500ms}, "garbage@0s:500ms"},
         row{"fade@10s:4s", {played_fault::fade, 10s, 4s}, "fade@10s:4s"},
         row{"pmt-version@1s", {played_fault::pmt_version, 1s, 0s}, "pmt-version@1s"},
         row{"pids@1s", {played_fault::pids, 1s, 0s}, "pids@1s"},
         row{"pts-wrap@168h", {played_fault::pts_wrap, 168h, 0s}, "pts-wrap@168h"},
         row{"encoder-restart@5s", {played_fault::encoder_restart, 5s, 10min}, "encoder-restart@5s:10m"},
         row{"stt-wrong@5s", {played_fault::stt_wrong, 5s, 14s}, "stt-wrong@5s:14s"}}) {
    CAPTURE(r.text);
    const auto got = tuner::parse_fault(r.text);
    REQUIRE(got.has_value());
    CHECK(got.value() == r.fault);
    CHECK(tuner::print_fault(got.value()) == r.printed);
    CHECK(tuner::parse_fault(r.printed).value() == r.fault);
  }
}

TEST_CASE("what is no fault is refused, and the text says what was expected") {
  struct row {
    const char* text;
    const char* says;
  };
  for (const auto& r : {row{"", "NAME@START"}, row{"stall", "NAME@START"}, row{"drop@1s", "there is no fault 'drop'"}, row{"@1s", "there is no fault ''"},
         row{"stall@", "a time such as"}, row{"stall@1", "a time such as"}, row{"stall@s", "a time such as"}, row{"stall@1.5s", "a time such as"},
         row{"stall@-1s", "a time such as"}, row{"stall@1 s", "a time such as"}, row{"stall@169h", "a time such as"},
         row{"stall@99999999999999999999s", "a time such as"}, row{"stall@1s:", "an amount"}, row{"stall@1s:0s", "an amount"}, row{"stall@1s:x", "an amount"},
         row{"stall@1s:1s:1s", "an amount"}, row{"reset@1s:1s", "takes no amount"}, row{"Stall@1s", "there is no fault"}, row{"stall@1s,reset@2s", "a time such as"}}) {
    CAPTURE(r.text);
    const auto got = tuner::parse_fault(r.text);
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error().code == base::errc::malformed);
    CHECK(got.error().text.find(r.says) != std::string::npos);
  }
}

TEST_CASE("a plan knows what is wrong at each moment") {
  const tuner::fault_plan plan({{played_fault::http_503, 20s, 2s}, {played_fault::stall, 1s, 2s}, {played_fault::reset, 10s, 0s},
    {played_fault::content_type, 21s, 4s}, {played_fault::encoder_restart, 5s, 10s}, {played_fault::encoder_restart, 6s, 1s}});
  CHECK_FALSE(plan.silent(999ms));
  CHECK(plan.silent(1s));
  CHECK(plan.silent(2999ms));
  CHECK_FALSE(plan.silent(3s));
  CHECK(plan.under_way(played_fault::stall, 2s) == 0.5);
  CHECK(plan.ends(9999ms) == 0);
  CHECK(plan.ends(10s) == 1);
  CHECK(plan.resets(30s) == 1);
  CHECK(plan.ends(30s) == 3);
  using answer = tuner::fault_plan::answer;
  CHECK(plan.answers(19s) == answer::stream);
  CHECK(plan.answers(20s) == answer::status_503);
  CHECK(plan.answers(21s) == answer::status_503); // the first word of the two is the device's
  CHECK(plan.answers(22s) == answer::page);
  CHECK(plan.answers(25s) == answer::stream);
  const tuner::fault_plan device({{played_fault::busy, 1s, 1s}, {played_fault::no_signal, 2s, 1s}, {played_fault::content_protected, 3s, 1s},
    {played_fault::unknown_channel, 4s, 1s}, {played_fault::reboot, 5s, 8s}});
  CHECK(device.answers(1s) == answer::busy);
  CHECK(device.answers(2s) == answer::no_signal);
  CHECK(device.answers(3s) == answer::content_protected);
  CHECK(device.answers(4s) == answer::unknown_channel);
  CHECK(device.answers(5s) == answer::status_503);
  CHECK(device.answers(13s) == answer::stream);
  CHECK(device.ends(4999ms) == 4);
  CHECK(device.resets(4999ms) == 0);
  CHECK(device.ends(5s) == 5);
  CHECK(device.resets(5s) == 1);
  CHECK_FALSE(device.rebooting(4999ms));
  CHECK(device.rebooting(5s));
  CHECK_FALSE(device.rebooting(13s));
  CHECK(plan.amount(played_fault::encoder_restart, 5s) == 10s);
  CHECK(plan.amount(played_fault::encoder_restart, 6s) == 11s);
  CHECK(tuner::fault_plan().empty());
}

}
