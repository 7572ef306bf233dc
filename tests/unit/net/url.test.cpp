#include "net/url.hpp"

#include <doctest/doctest.h>

#include "base/limits.hpp"

using namespace ec;

TEST_SUITE("net/url") {

TEST_CASE("a tuner's stream URL is taken apart and put together again") {
  const auto got = net::parse_url("http://HDHR-10439EFD.local:5004/auto/v5.1?duration=30");
  REQUIRE(got.has_value());
  CHECK(got.value() == net::url{"http", "hdhr-10439efd.local", 5004, "/auto/v5.1", "duration=30"});
  CHECK(got.value().text() == "http://hdhr-10439efd.local:5004/auto/v5.1?duration=30");
}

TEST_CASE("port and path have defaults") {
  CHECK(net::parse_url("http://192.0.2.1").value() == net::url{"http", "192.0.2.1", 80, "/", ""});
  CHECK(net::parse_url("HTTPS://example.org").value() == net::url{"https", "example.org", 443, "/", ""});
  CHECK(net::parse_url("http://example.org?a=b").value() == net::url{"http", "example.org", 80, "/", "a=b"});
}

TEST_CASE("a reference is resolved as RFC 3986 5.4 shows") {
  const auto base = net::parse_url("http://a/b/c/d;p?q").value();
  for (const auto& [reference, wanted] : {std::pair{"g", "/b/c/g"}, {"./g", "/b/c/g"}, {"g/", "/b/c/g/"}, {"/g", "/g"}, {"?y", "/b/c/d;p?y"}, {"g?y", "/b/c/g?y"},
         {"#s", "/b/c/d;p?q"}, {"g#s", "/b/c/g"}, {";x", "/b/c/;x"}, {"", "/b/c/d;p?q"}, {".", "/b/c/"}, {"./", "/b/c/"}, {"..", "/b/"}, {"../", "/b/"}, {"../g", "/b/g"},
         {"../..", "/"}, {"../../g", "/g"}, {"../../../g", "/g"}, {"/./g", "/g"}, {"/../g", "/g"}, {"g.", "/b/c/g."}, {".g", "/b/c/.g"}, {"g..", "/b/c/g.."}, {"./../g", "/b/g"},
         {"./g/.", "/b/c/g/"}, {"g/./h", "/b/c/g/h"}, {"g/../h", "/b/c/h"}, {"g?y/./x", "/b/c/g?y/./x"}, {"g?y/../x", "/b/c/g?y/../x"}}) {
    const auto got = net::resolve_url(base, reference);
    REQUIRE_MESSAGE(got.has_value(), reference);
    CHECK_MESSAGE(got.value().text() == "http://a:80" + std::string(wanted), reference);
  }
  CHECK(net::resolve_url(base, "https://b:8/x").value().text() == "https://b:8/x");
  CHECK(net::resolve_url(base, "//b/x").value().text() == "http://b:80/x");
  CHECK(net::resolve_url(base, "ftp://g/h").error().code == ec::base::errc::unsupported);
  CHECK_FALSE(net::resolve_url(base, "a b").has_value());
}

TEST_CASE("an IPv6 host stands in brackets") {
  const auto got = net::parse_url("http://[2001:DB8::1]:8080/x");
  REQUIRE(got.has_value());
  CHECK(got.value().host == "2001:db8::1");
  CHECK(got.value().ipv6());
  CHECK(got.value().text() == "http://[2001:db8::1]:8080/x");
}

TEST_CASE("what is not a plain http URL is refused") {
  for (const char* text : {"", "example.org", "http://", "http:///x", "http://user@host/", "http://host:0/", "http://host:65536/",
                           "http://host:/", "http://host:80x/", "http://ho st/", "http://host/a b", "http://host/%2", "http://host/%zz",
                           "http://host/#top", "http://[::1/", "http://[::1]x/", "http://[1.2.3.4]/", "http://::1/", "http://-a/",
                           "http://host/\xc3\xa9", "http://host/a\r\nX: y", "http://host/?a\tb"}) {
    CAPTURE(text);
    const auto got = net::parse_url(text);
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error().code == base::errc::malformed);
  }
  CHECK(net::parse_url("ftp://host/").error().code == base::errc::unsupported);
  CHECK(net::parse_url("http://h/" + std::string(base::limits::url_bytes_max, 'a')).error().code == base::errc::too_large);
}

TEST_CASE("a listening address needs a port, which may be 0") {
  CHECK(net::parse_host_port("127.0.0.1:5004").value() == net::host_port{"127.0.0.1", 5004});
  CHECK(net::parse_host_port("[::]:0").value() == net::host_port{"::", 0});
  CHECK_FALSE(net::parse_host_port("127.0.0.1").has_value());
  CHECK_FALSE(net::parse_host_port(":5004").has_value());
}

TEST_CASE("a query value is found by its whole name and decoded") {
  CHECK(net::query_value("duration=30&transcode=none", "duration") == "30");
  CHECK(net::query_value("xduration=1&duration=2", "duration") == "2");
  CHECK(net::query_value("a=%41+b", "a") == "A b");
  CHECK(net::query_value("show", "show") == "");
  CHECK_FALSE(net::query_value("a=1", "b").has_value());
  CHECK_FALSE(net::query_value("a=%4", "a").has_value());
}

}

TEST_CASE("a path is taken apart into decoded segments, and a segment is written so that it stays one") {
  const auto segments = [](std::string_view path) { return net::path_segments(path).value(); };
  CHECK(segments("/").empty());
  CHECK(segments("/a/b%2Fc/%20") == std::vector<std::string>{"a", "b/c", " "});
  CHECK(net::percent_encoded("b/c \xff~-._9") == "b%2Fc%20%FF~-._9");
  for (const auto* bad : {"", "a", "//", "/a//b", "/a/", "/%2", "/%zz"}) CHECK(net::path_segments(bad).error().code == base::errc::malformed);
}
