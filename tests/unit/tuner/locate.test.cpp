#include "tuner/locate.hpp"

#include <doctest/doctest.h>

using namespace ec;

namespace {

/// A network of one device, which tells what was asked of it.
struct network {
  std::vector<std::string> asked;
  std::string base_url = "http://192.0.2.7:80";
  std::string lineup = R"([{"GuideNumber":"4.1","GuideName":"WCMH-DT","ProgramNumber":3,"URL":""},{"GuideNumber":"4.2","GuideName":"MeTV","ProgramNumber":4,"URL":""},
    {"GuideNumber":"10.1","GuideName":"CBS","ProgramNumber":3,"URL":""},{"GuideNumber":"28.1","GuideName":"cbs","URL":""},
    {"GuideNumber":"100","GuideName":"Das Erste HD","ProgramNumber":5,"URL":""},{"GuideNumber":"5.1","GuideName":"Locked","ProgramNumber":6,"DRM":1,"URL":""},
    {"GuideNumber":"x","GuideName":"Odd","ProgramNumber":7,"URL":""}])";

  tuner::locate_services services() {
    return {[this](const tuner::discover_question& q) -> base::result<std::vector<tuner::discovered_device>> {
              asked.push_back("discover " + q.device_id);
              if (q.device_id != "10a1b2c7") return std::vector<tuner::discovered_device>();
              tuner::discovered_device d;
              d.address = "192.0.2.7";
              d.base_url = base_url;
              return std::vector{d};
            },
      [this](const net::url& stream) -> base::result<tuner::device_documents> {
        asked.push_back("documents " + stream.authority());
        return tuner::device_documents{"http://192.0.2.7:80", tuner::parse_lineup(lineup).value(), std::nullopt, std::nullopt};
      }};
  }
  std::string locate(std::string_view spec) {
    const auto got = tuner::locate_input(spec, services());
    return got ? got.value() : std::string(base::name(got.error().code)) + ": " + got.error().message();
  }
};

} // namespace

TEST_SUITE("tuner/locate") {

TEST_CASE("an input that needs no looking for is given back as it is, and nobody is asked") {
  network n;
  for (const auto* spec : {"http://192.0.2.7:5004/auto/v5.1", "hdhomerun://192.0.2.7/v5.1", "hdhomerun://host/tuner1/v5.1?duration=3", "capture.ts", "-", "udp://@239.1.1.1:5000",
         "hdhomerun://", "hdhomerun://a b/name/x", "http://192.0.2.7/name/x", "hdhomerun://10A1B2C8/v5.1"})
    CHECK(n.locate(spec) == spec);
  CHECK(n.asked.empty());
}

TEST_CASE("a device id is looked for in the network") {
  network n;
  CHECK(n.locate("hdhomerun://10A1B2C7/v5.1") == "hdhomerun://192.0.2.7:5004/v5.1");
  CHECK(n.locate("hdhomerun://10a1b2c7/tuner0/v5.1?duration=3") == "hdhomerun://192.0.2.7:5004/tuner0/v5.1?duration=3");
  CHECK(n.asked == std::vector<std::string>{"discover 10a1b2c7", "discover 10a1b2c7"});
  n.base_url = "http://192.0.2.7:40000"; // one port for all, as of the simulator
  CHECK(n.locate("hdhomerun://10A1B2C7/v5.1") == "hdhomerun://192.0.2.7:40000/v5.1");
  CHECK(n.locate("hdhomerun://10A1B2C7:5005/v5.1") == "hdhomerun://192.0.2.7:5005/v5.1");
  CHECK(n.locate("hdhomerun://10439EFD/v5.1").starts_with("not-found: 10439efd: no tuner with this id"));
}

TEST_CASE("a channel is picked by its name and by its program") {
  network n;
  CHECK(n.locate("hdhomerun://host/name/wcmh-dt") == "hdhomerun://host:5004/auto/v4.1");
  CHECK(n.locate("hdhomerun://host/name/Das%20Erste%20HD?duration=9") == "hdhomerun://host:5004/auto/v100?duration=9");
  CHECK(n.locate("hdhomerun://10A1B2C7/program/4") == "hdhomerun://192.0.2.7:5004/auto/v4.2");
  CHECK(n.asked == std::vector<std::string>{"documents host:5004", "documents host:5004", "discover 10a1b2c7", "documents 192.0.2.7:5004"});
}

TEST_CASE("what names no channel, or more than one, or one that is not streamed, is told apart") {
  network n;
  CHECK(n.locate("hdhomerun://host/name/WCMH") == "not-found: http://192.0.2.7:80: no channel of its lineup is called 'WCMH'");
  CHECK(n.locate("hdhomerun://host/name/CBS") == "config: http://192.0.2.7:80: more than one channel is called 'CBS': name one of 10.1, 28.1 by its number");
  CHECK(n.locate("hdhomerun://host/program/3") == "config: http://192.0.2.7:80: more than one channel has program 3: name one of 4.1, 10.1 by its number");
  CHECK(n.locate("hdhomerun://host/program/9") == "not-found: http://192.0.2.7:80: no channel of its lineup has program 9");
  CHECK(n.locate("hdhomerun://host/program/6").starts_with("refused: http://192.0.2.7:80: channel 5.1 is content-protected"));
  CHECK(n.locate("hdhomerun://host/name/odd").starts_with("not-found: http://192.0.2.7:80: the channel that is called 'odd' has no number"));
  for (const auto* bad : {"hdhomerun://host/name/", "hdhomerun://host/name/%00x%", "hdhomerun://host/program/", "hdhomerun://host/program/0", "hdhomerun://host/program/70000", "hdhomerun://host/program/3x"})
    CHECK((n.locate(bad).starts_with("malformed") || n.locate(bad) == bad));
  n.lineup = R"([{"GuideNumber":"4.1","GuideName":"A","URL":""}])";
  CHECK(n.locate("hdhomerun://host/program/3").find("does not tell program numbers") != std::string::npos);
  n.lineup = "{}";
  CHECK(n.locate("hdhomerun://host/name/A").starts_with("not-found"));
}

} // TEST_SUITE
