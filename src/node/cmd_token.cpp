#include <charconv>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "access/token.hpp"
#include "base/base64url.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"
#include "base/limits_access.hpp"
#include "crypto/random.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"

namespace ec::node {
namespace {

namespace limits = base::limits;

struct key_config {
  std::string alg = "EdDSA";
  std::string id;
  std::filesystem::path out;
  std::filesystem::path public_out;
};
struct make_config {
  std::filesystem::path key;
  std::vector<std::string> publish;
  std::vector<std::string> subscribe;
  std::string expires = "1h";
  std::string subject;
};
struct explain_config {
  std::vector<std::string> token;
  std::vector<std::filesystem::path> key;
};

std::string utc(base::wall_time t) {
  const auto seconds = static_cast<std::time_t>(base::unix_ms(t) / 1000);
  std::tm parts{};
  char text[64] = "a time beyond the calendar";
  if (gmtime_r(&seconds, &parts) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// "90s", "15m", "1h", "30d"; unset: "never". Nothing: something else, or over ten years.
std::optional<std::optional<std::chrono::seconds>> lifetime(const std::string& text) {
  if (text == "never") return std::optional<std::chrono::seconds>{};
  int64_t count = 0;
  const auto [at, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  constexpr int64_t longest = 10LL * 366 * 86'400;
  if (problem != std::errc{} || at + 1 != text.data() + text.size() || count < 1 || count > longest) return std::nullopt;
  const int64_t unit = *at == 's' ? 1 : *at == 'm' ? 60 : *at == 'h' ? 3600 : *at == 'd' ? 86'400 : 0;
  if (unit == 0 || count > longest / unit) return std::nullopt;
  return std::chrono::seconds(count * unit);
}

int failed(const std::string& command, const base::error& why) {
  print_error(command, why.message());
  return why.code == base::errc::io || why.code == base::errc::permission ? exit_failed : exit_usage;
}

base::result<void> write_key(const std::filesystem::path& file, const base::json::object& jwk, unsigned mode) {
  auto text = base::json::pretty(jwk);
  auto written = base::write_new_file(file.string(), base::as_span(text), mode);
  crypto::wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
  return written;
}

int key(const std::vector<std::string>& args) {
  static const command_help help{"token key",
    "Makes a key that signs access tokens. With EdDSA or ES256 a relay needs the public part alone, which is written beside it; with HS256 it "
    "needs the key itself, and could make tokens too. An existing file is never written over.",
    {"ec-node token key --out access.jwk", "ec-node token key --alg HS256 --id 2026 --out access.jwk"}};
  static const std::vector<setting<key_config>> settings = {
    make_setting("alg", "NAME", "EdDSA, ES256 or HS256 (EdDSA)", &key_config::alg),
    make_setting("id", "TEXT", "name of the key, told in its tokens, so that a relay with several finds it (none)", &key_config::id),
    make_setting("out", "FILE", "where the key is written, for its owner only; must not exist", &key_config::out),
    make_setting("public-out", "FILE", "where its public part is written; must not exist (OUT.pub)", &key_config::public_out)};
  key_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  const auto alg = crypto::token_algorithm_of(config.alg);
  if (!alg) {
    print_error(help.name, "--alg takes EdDSA, ES256 or HS256, not '" + config.alg + "'");
    return exit_usage;
  }
  if (config.out.empty()) {
    print_error(help.name, "--out FILE is needed: where should the key go?");
    return exit_usage;
  }
  if (config.id.size() > limits::token_text_bytes_max) {
    print_error(help.name, "--id takes at most " + std::to_string(limits::token_text_bytes_max) + " bytes");
    return exit_usage;
  }
  auto made = crypto::token_key::generate(*alg, config.id);
  if (!made) return failed(help.name, made.error());
  const auto& fresh = made.value();
  if (fresh.is_shared() && !config.public_out.empty()) {
    print_error(help.name, "--public-out: a shared secret (HS256) has no public part");
    return exit_usage;
  }
  if (config.public_out.empty()) config.public_out = config.out.string() + ".pub";
  if (!fresh.is_shared()) {
    if (const auto saved = write_key(config.public_out, fresh.public_jwk().value(), 0644); !saved) {
      print_error(help.name, saved.error().message());
      return saved.error().code == base::errc::exists ? exit_usage : exit_failed;
    }
  }
  if (const auto saved = write_key(config.out, fresh.jwk(), 0600); !saved) {
    std::error_code ignored;
    if (!fresh.is_shared()) std::filesystem::remove(config.public_out, ignored);
    print_error(help.name, saved.error().message());
    return saved.error().code == base::errc::exists ? exit_usage : exit_failed;
  }
  std::printf("key        %s\n", config.out.c_str());
  if (!fresh.is_shared()) std::printf("public     %s\n", config.public_out.c_str());
  std::printf("thumbprint %s\n", fresh.thumbprint().c_str());
  return exit_ok;
}

int make(const std::vector<std::string>& args) {
  static const command_help help{"token make",
    "Makes a token: who shows it to a relay with this key may publish and subscribe what it names, until it expires. It is printed; who has it has "
    "what it allows.",
    {"ec-node token make --key access.jwk --publish every.channel/us --expires 12h", "ec-node token make --key access.jwk --subscribe / --subject anna --expires 30d"}};
  static const std::vector<setting<make_config>> settings = {
    make_setting("key", "FILE", "from ec-node token key, with its secret part", &make_config::key),
    make_setting("publish", "PREFIX", "namespaces that may be published, as a path; / for all; several may be given", &make_config::publish),
    make_setting("subscribe", "PREFIX", "namespaces that may be subscribed to; several may be given", &make_config::subscribe),
    make_setting("expires", "TIME", "how long it counts: 90s, 15m, 12h, 30d, or never (1h)", &make_config::expires),
    make_setting("subject", "TEXT", "whose it is; a relay logs it (none)", &make_config::subject)};
  make_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  const auto usage = [&](const std::string& text) {
    print_error(help.name, text);
    return exit_usage;
  };
  if (config.key.empty()) return usage("--key FILE is needed: which key signs it?");
  if (config.publish.empty() && config.subscribe.empty()) return usage("it would allow nothing: give --publish PREFIX or --subscribe PREFIX");
  const auto lives = lifetime(config.expires);
  if (!lives) return usage("--expires takes a number with s, m, h or d, of at most ten years, or never, not '" + config.expires + "'");
  if (config.subject.size() > limits::token_text_bytes_max) return usage("--subject takes at most " + std::to_string(limits::token_text_bytes_max) + " bytes");
  access::token_claims claims;
  const auto take = [&](const char* option, const std::vector<std::string>& paths, std::vector<moq::track_namespace>& out) -> bool {
    if (paths.size() > limits::token_prefixes_max) {
      usage(std::string(option) + ": at most " + std::to_string(limits::token_prefixes_max) + " may be given");
      return false;
    }
    for (const auto& path : paths) {
      auto prefix = access::parse_prefix(path);
      if (!prefix) {
        usage(std::string(option) + ": " + prefix.error().message());
        return false;
      }
      out.push_back(std::move(prefix).value());
    }
    return true;
  };
  if (!take("--publish", config.publish, claims.publish) || !take("--subscribe", config.subscribe, claims.subscribe)) return exit_usage;
  const auto signer = crypto::token_key::load(config.key.string());
  if (!signer) return failed(help.name, signer.error());
  claims.issued = std::chrono::floor<std::chrono::seconds>(base::wall_now());
  if (*lives) claims.expires = *claims.issued + **lives;
  claims.subject = config.subject;
  claims.id = base::to_base64url(crypto::random_bytes(9));
  const auto text = access::make_token(claims, signer.value());
  if (!text) return usage(text.error().code == base::errc::invalid_argument ? config.key.string() + ": " + text.error().text : text.error().message());
  std::printf("%s\n", text.value().c_str());
  return exit_ok;
}

void print_prefixes(const char* what, const std::vector<moq::track_namespace>& prefixes) {
  if (prefixes.empty()) std::printf("%s nothing\n", what);
  for (const auto& p : prefixes) std::printf("%s %s\n", what, p.fields.empty() ? "/ (everything)" : printable(access::prefix_path(p)).c_str());
}

int explain(const std::vector<std::string>& args) {
  static const command_help help{"token explain",
    "Says what a token allows, until when, and, with the keys of a relay, whether that relay would take it now, or why not. Exit code 1: it would not.",
    {"ec-node token explain - --key access.jwk.pub <token.txt", "ec-node token explain eyJhbGciOi..."}};
  static const auto settings = [] {
    std::vector<setting<explain_config>> all = {make_setting("token", "TOKEN", "the token, or - for standard input", &explain_config::token),
      make_setting("key", "FILE", "a key of the relay, as in its --token-key; several may be given (none: no signature is checked)", &explain_config::key)};
    all[0].positional = true;
    return all;
  }();
  explain_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  if (config.token.size() != 1) {
    print_error(help.name, "which TOKEN? One, or - for standard input");
    return exit_usage;
  }
  access::token_keys keys;
  for (const auto& file : config.key) {
    auto read = crypto::token_key::load(file.string());
    if (!read) return failed(help.name, read.error());
    keys.push_back(std::make_shared<const crypto::token_key>(std::move(read).value()));
  }
  std::string text = config.token.front();
  if (text == "-") {
    text.assign(limits::token_bytes_max + 2, '\0');
    std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(std::cin.gcount()));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  }
  const auto read = access::read_token(text);
  if (!read) {
    print_error(help.name, read.error().message());
    return exit_not_verified;
  }
  const auto& claims = read.value().claims;
  std::printf("signed     %s", printable(read.value().algorithm.substr(0, 32)).c_str());
  if (!read.value().key_id.empty()) std::printf(", key %s", printable(read.value().key_id.substr(0, limits::token_text_bytes_max)).c_str());
  std::printf("\n");
  if (!claims.subject.empty()) std::printf("subject    %s\n", printable(claims.subject).c_str());
  if (!claims.id.empty()) std::printf("id         %s\n", printable(claims.id).c_str());
  print_prefixes("publish   ", claims.publish);
  print_prefixes("subscribe ", claims.subscribe);
  if (claims.issued) std::printf("issued     %s\n", utc(*claims.issued).c_str());
  if (claims.not_before) std::printf("from       %s\n", utc(*claims.not_before).c_str());
  std::printf("until      %s\n", claims.expires ? utc(*claims.expires).c_str() : "it never expires");
  std::string why;
  const auto when = access::time_of(claims, base::wall_now());
  if (when == access::token_time::expired) why = "it has expired";
  if (when == access::token_time::not_yet) why = "it does not count yet";
  if (!keys.empty())
    if (const auto proven = access::prove_token(text, keys); !proven) why = proven.error().text;
  if (!why.empty()) std::printf("refused    %s\n", why.c_str());
  else std::printf(keys.empty() ? "unproven   its signature was not checked: give --key\n" : "right      a relay with this key takes it\n");
  return why.empty() ? exit_ok : exit_not_verified;
}

} // namespace

int cmd_token(const std::vector<std::string>& args) {
  return run_part("token", "key --out FILE, make --key FILE --publish PREFIX --subscribe PREFIX, or explain TOKEN", "make",
    {{"key", key}, {"make", make}, {"explain", explain}}, args);
}

} // namespace ec::node
