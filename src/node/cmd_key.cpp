#include <cstdio>
#include <ctime>
#include <filesystem>

#include "base/clock.hpp"
#include "base/file.hpp"
#include "crypto/keys.hpp"
#include "manifest/key_statement.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"

namespace ec::node {
namespace {

using manifest::key_statement;

struct show_config {
  std::vector<std::filesystem::path> file;
};
struct rotate_config {
  std::filesystem::path key;
  std::filesystem::path out;
  std::filesystem::path statement;
};
struct revoke_config {
  std::filesystem::path key;
  std::filesystem::path statement;
};

std::string utc(uint64_t unix_ms) {
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm parts{};
  char text[64] = "a time beyond the calendar";
  if (gmtime_r(&seconds, &parts) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

int failed(const std::string& command, const base::error& why) {
  print_error(command, why.message());
  return why.code == base::errc::io || why.code == base::errc::permission ? exit_failed : exit_usage;
}

int not_written(const std::string& command, const base::error& why) {
  print_error(command, why.message());
  return why.code == base::errc::exists ? exit_usage : exit_failed;
}

/// A statement is written for others to read, and never over another one.
base::result<void> write_statement(const std::filesystem::path& file, const key_statement& s) {
  return base::write_new_file(file.string(), base::as_span(manifest::encode(s)), 0644);
}

bool is_json(const std::filesystem::path& file) {
  auto open = base::input_file::open(file.string());
  if (!open) return false;
  const auto front = open.value().read(1);
  return front && front.value().text() == "{";
}

int show_statement(const std::string& command, const std::filesystem::path& file) {
  const auto read = manifest::load_key_statement(file.string());
  if (!read) {
    print_error(command, read.error().message());
    return exit_not_verified;
  }
  const auto& s = read.value();
  const auto key = s.key.to_string();
  std::printf("statement  %s\nkey        %s\n", std::string(name(s.what)).c_str(), key.c_str());
  if (s.next) std::printf("next       %s\n", s.next->to_string().c_str());
  std::printf("signed     %s\n", utc(s.signed_unix_ms).c_str());
  if (s.next) std::printf("right: signed by both keys. Whoever trusts the key follows it to the next one; the two count as one signer\n");
  else std::printf("right: signed by the key itself. Whoever trusts it believes it no longer, nor a next key that only it names\n");
  return exit_ok;
}

int show(const std::vector<std::string>& args) {
  static const command_help help{"key show", "Prints the public key of a key file, or explains a statement about a key.",
    {"ec-node key show leader.key", "ec-node key show next.key.statement"}};
  static const auto settings = [] {
    std::vector<setting<show_config>> all = {make_setting("file", "FILE...", "key files, statements", &show_config::file)};
    all[0].positional = true;
    return all;
  }();
  show_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  if (config.file.empty()) {
    print_error(help.name, "which FILE? A key from ec-node keygen, or a statement from ec-node key rotate or revoke");
    return exit_usage;
  }
  for (const auto& file : config.file) {
    if (is_json(file)) {
      if (const auto code = show_statement(help.name, file); code != exit_ok) return code;
      continue;
    }
    const auto key = crypto::signing_key::load(file.string());
    if (!key) return failed(help.name, key.error());
    std::printf("%s\n", key.value().public_key().to_string().c_str());
  }
  return exit_ok;
}

int rotate(const std::vector<std::string>& args) {
  static const command_help help{"key rotate",
    "Makes a new signing key and a statement, signed by the old key and the new, that names it as the successor. A leader carries the "
    "statement with --key-statement; subscribers that trust the old key then trust the new one, and count both as one signer.",
    {"ec-node key rotate --key leader.key --out next.key",
      "ec-node moq-publish --publish-manifests --key next.key --key-statement next.key.statement --input ..."}};
  static const std::vector<setting<rotate_config>> settings = {
    make_setting("key", "OLD", "the key that subscribers trust", &rotate_config::key),
    make_setting("out", "NEW", "where the new key is written; must not exist", &rotate_config::out),
    make_setting("statement", "FILE", "where the statement is written; must not exist (NEW.statement)", &rotate_config::statement)};
  rotate_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  if (config.key.empty() || config.out.empty()) {
    print_error(help.name, config.key.empty() ? "--key OLD is needed: which key has a successor?" : "--out NEW is needed: where should the new key go?");
    return exit_usage;
  }
  if (config.statement.empty()) config.statement = config.out.string() + ".statement";
  const auto old = crypto::signing_key::load(config.key.string());
  if (!old) return failed(help.name, old.error());
  const auto next = crypto::signing_key::generate();
  // The statement first: without the key it is worth nothing, while a key whose statement failed would be in the way.
  if (const auto written = write_statement(config.statement, manifest::rotation(old.value(), next, base::wall_now())); !written)
    return not_written(help.name, written.error());
  if (const auto saved = next.save(config.out.string()); !saved) {
    std::error_code ignored;
    std::filesystem::remove(config.statement, ignored);
    return not_written(help.name, saved.error());
  }
  std::printf("%s\n", next.public_key().to_string().c_str());
  return exit_ok;
}

int revoke(const std::vector<std::string>& args) {
  static const command_help help{"key revoke",
    "Makes a statement, signed by the key itself, that nothing it signs counts any more, nor what it says of a successor. For a key that "
    "others may have: subscribers must be told another one. A leader with another key carries the statement with --key-statement.",
    {"ec-node key revoke --key leader.key --statement leader.revoked"}};
  static const std::vector<setting<revoke_config>> settings = {
    make_setting("key", "FILE", "the key that should count no more", &revoke_config::key),
    make_setting("statement", "FILE", "where the statement is written; must not exist", &revoke_config::statement)};
  revoke_config config;
  const auto line = read_line(args, help, settings, config);
  if (!line.go_on) return line.code;
  if (config.key.empty() || config.statement.empty()) {
    print_error(help.name, config.key.empty() ? "--key FILE is needed: which key?" : "--statement FILE is needed: where should the statement go?");
    return exit_usage;
  }
  const auto key = crypto::signing_key::load(config.key.string());
  if (!key) return failed(help.name, key.error());
  if (const auto written = write_statement(config.statement, manifest::revocation(key.value(), base::wall_now())); !written)
    return not_written(help.name, written.error());
  std::printf("%s\n", key.value().public_key().to_string().c_str());
  return exit_ok;
}

} // namespace

int cmd_key(const std::vector<std::string>& args) {
  return run_part("key", "show FILE, rotate --key OLD --out NEW, or revoke --key FILE --statement FILE", "rotate",
    {{"show", show}, {"rotate", rotate}, {"revoke", revoke}}, args);
}

} // namespace ec::node
