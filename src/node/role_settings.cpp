#include "node/role_settings.hpp"

namespace ec::node {

const std::vector<setting<actors::publish_config>>& publish_settings() {
  using c = actors::publish_config;
  static const std::vector<setting<c>> all = {
    make_setting("input", "URL|FILE|-", "the broadcast: an HDHomeRun, HTTP, HLS, UDP or RTP URL, dvb:/dev/dvb/adapterN, a TS file, or - for standard input", &c::input),
    make_setting("stream-id", "ID", "name of the stream (default: of the broadcast, if the tuner's lineup says enough to know it, else made from the input)", &c::stream_id),
    make_setting("listen", "ADDR", "UDP address to serve on; port 0: any free one (0.0.0.0:4443)", &c::listen),
    make_setting("publish-manifests", "", "sign and publish manifests (false)", &c::publish_manifests),
    make_setting("publish-chunks", "", "publish the chunk objects (true)", &c::publish_chunks),
    make_setting("epoch-chunks", "N", "chunks per manifest (1)", &c::epoch_chunks),
    make_setting("key", "FILE", "signing key from ec-node keygen; needed for manifests", &c::key),
    make_setting("key-statement", "FILE", "from ec-node key rotate or revoke: every manifest carries it to the subscribers; several may be given", &c::key_statement),
    make_setting("network-secret-file", "FILE", "secret that the object keys are derived from, beside the stream id", &c::network_secret_file),
    make_setting("startup-delay-ms", "N", "wait before the input is opened, milliseconds (0)", &c::startup_delay),
    make_setting("program", "N", "program number to take (default: the only one)", &c::program),
    make_setting("channel", "MAJOR.MINOR", "virtual channel to take, by the broadcast's own table", &c::channel),
    make_setting("duration", "SECONDS", "end after this long; 0: until stopped (0)", &c::duration),
    make_setting("profile", "NAME", "chunk profile (ts-v1)", &c::profile),
    make_setting("sign-damaged", "", "sign what this node received damaged, marked as such (true)", &c::sign_damaged),
    make_setting("second-source", "ADDR", "another publisher of this stream, asked for what was received damaged here before it is signed: moqt://host:port#spki=... or host:port; several may be given", &c::second_source),
    make_setting("repair-share-max", "PERCENT", "of a chunk's packets that may be taken on a second source's word, 0 to 50 (5)", &c::repair_share_max),
    make_setting("repair-wait-ms", "N", "how long a damaged chunk may wait for a second source before it is signed as damaged, 1 to 60000 (2000)", &c::repair_wait),
    make_setting("discovered-sources", "HOW", "other publishers of this stream that a node with --announce learns of: ignore, compare (whether they count the chunks alike), repair (use them as second sources too) (compare)", &c::discovered_sources),
    make_setting("trust-signer", "KEY", "ed25519:<hex> of a second source's signer: if its count of chunks is ahead, this node goes on with it; several may be given", &c::trust_signer),
    make_setting("trust-file", "FILE", "JSON: which keys to trust for which streams; adds to --trust-signer", &c::trust_file),
    make_setting("pace", "X", "of a file: 1 is real time, 0 as fast as the node can (1)", &c::pace),
    make_setting("state-dir", "DIR", "where certificate and signer state are kept (~/.local/state/ec-node)", &c::state_dir),
    make_setting("tls-cert", "FILE", "certificate chain, PEM (default: a self-signed one, made and kept)", &c::tls_cert),
    make_setting("tls-key", "FILE", "private key of --tls-cert, PEM", &c::tls_key),
    make_setting("endpoint-addr-out", "FILE", "write the full address of this endpoint here", &c::endpoint_addr_out),
    make_setting("relay", "ADDR", "relay that is dialled and given what is published here, as from behind a home router: moqt://host:port#spki=... or host:port; https://... by WebTransport; several may be given", &c::relay),
    make_setting("connect-to", "ADDR", "host:port at which the relay is reached, while its certificate is checked for the name in --relay; of several relays name:port=host:port; several may be given", &c::connect_to),
    make_setting("tls-insecure", "", "accept any certificate of relays without #spki= (false)", &c::tls_insecure),
    make_setting("tls-ca", "FILE", "certificate authorities to accept of relays, PEM (default: the system's)", &c::tls_ca),
    make_setting("token", "TOKEN", "access token that the relays are shown, from ec-node token make; who lists processes sees it here", &c::token),
    make_setting("token-file", "FILE", "the same in a file that its owner alone may read", &c::token_file),
    make_setting("announce", "", "tell directories, and peers that listen, that this node has the stream (false)", &c::announce),
    make_setting("directory", "URL", "stream directory to announce to; several may be given", &c::directory),
    make_setting("directory-token-file", "FILE", "token that the directories want (default: the environment's EC_DIRECTORY_TOKEN)", &c::directory_token_file),
    make_setting("gossip", "ADDR", "peer whose announcements are taken and passed on: moqt://host:port#spki=...; several may be given", &c::gossip),
    make_setting("mdns", "", "be found by the nodes of the local network, and listen to them (false)", &c::mdns),
    make_setting("dht", "", "announce in the public mainline DHT (false)", &c::dht),
    make_setting("dht-bootstrap", "HOST:PORT", "announce in a private DHT instead, joined by this node of it; several may be given", &c::dht_bootstrap),
    make_setting("dht-listen", "ADDR", "UDP address of this node of the DHT (default: any free port)", &c::dht_listen),
    make_setting("announce-address", "HOST:PORT", "where others reach this node; several may be given (default: where it listens)", &c::announce_address),
    make_setting("announce-ttl-ms", "N", "how long an announcement counts; it is said again each third of it (60000)", &c::announce_ttl),
    make_setting("linger-ms", "N", "at the end: how long subscribers may take to fetch the rest (2000)", &c::linger),
    make_setting("json", "", "print events as JSON lines (false)", &c::json),
  };
  return all;
}

const std::vector<setting<actors::subscribe_config>>& subscribe_settings() {
  using c = actors::subscribe_config;
  static const std::vector<setting<c>> all = {
    make_setting("remote", "ADDR", "source of objects: moqt://host:port#spki=... or host:port; https://... by WebTransport; several may be given", &c::remote),
    make_setting("remote-manifests", "ADDR", "source of manifests (default: the remotes); several may be given", &c::remote_manifests),
    make_setting("discover", "", "take sources from directories, gossip, the DHT or the local network; no --remote is needed (false)", &c::discover),
    make_setting("directory", "URL", "stream directory to ask; several may be given", &c::directory),
    make_setting("gossip", "ADDR", "peer whose announcements are taken: moqt://host:port#spki=...; several may be given", &c::gossip),
    make_setting("mdns", "", "listen to the nodes of the local network (false)", &c::mdns),
    make_setting("dht", "", "find sources in the public mainline DHT (false)", &c::dht),
    make_setting("dht-bootstrap", "HOST:PORT", "find sources in a private DHT instead, joined by this node of it; several may be given", &c::dht_bootstrap),
    make_setting("dht-listen", "ADDR", "UDP address of this node of the DHT (default: any free port)", &c::dht_listen),
    make_setting("discover-policy", "POLICY", "direct-first, relay-first, direct or relay: which way to a source is taken (direct-first)", &c::discover_policy),
    make_setting("stream-id", "ID", "name of the stream", &c::stream_id),
    make_setting("subscribe-manifests", "", "take manifests and mark what they verify (false)", &c::subscribe_manifests),
    make_setting("require-manifest", "", "write nothing that no trusted manifest lists (false)", &c::require_manifest),
    make_setting("trust", "KEY", "ed25519:<hex> of a signer to trust (default: the first one seen, with a warning)", &c::trust),
    make_setting("trust-file", "FILE", "JSON: which keys to trust for which streams, and which keys are revoked; adds to --trust", &c::trust_file),
    make_setting("state-dir", "DIR", "where it is kept which key changes were followed (~/.local/state/ec-node)", &c::state_dir),
    make_setting("min-signers", "K", "trusted keys that must attest a chunk before it counts (1)", &c::min_signers),
    make_setting("max-invalid-chunks", "N", "end when more than N chunks were invalid (no limit)", &c::max_invalid_chunks),
    make_setting("allow-damaged", "", "show a chunk that its signer marked as damaged if nobody has it whole (true)", &c::allow_damaged),
    make_setting("hls-dir", "DIR", "write HLS here (default: verify only)", &c::hls_dir),
    make_setting("hls-mode", "window|event", "sliding window, or keep everything (window)", &c::hls_mode),
    make_setting("hls-window", "N", "segments in a sliding playlist (6)", &c::hls_window),
    make_setting("objects-out", "FILE", "keep every accepted object and its manifest in this file, for ec-node verify; goes on with an existing one", &c::objects_out),
    make_setting("evidence-dir", "DIR", "keep here what signers contradict themselves in, and what is missing of their chains, for ec-node verify", &c::evidence_dir),
    make_setting("stop-after", "N", "end after N chunks (never)", &c::stop_after),
    make_setting("patience-ms", "N", "wait so long for a chunk that is missing, or for a whole copy of a damaged one; 0: three chunks (0)", &c::patience),
    make_setting("network-secret-file", "FILE", "secret that the object keys are derived from, beside the stream id", &c::network_secret_file),
    make_setting("token", "TOKEN", "access token that the remotes are shown, from ec-node token make; who lists processes sees it here", &c::token),
    make_setting("token-file", "FILE", "the same in a file that its owner alone may read", &c::token_file),
    make_setting("tls-insecure", "", "accept any certificate of the peers (false)", &c::tls_insecure),
    make_setting("tls-ca", "FILE", "certificate authorities to accept, PEM (default: the system's)", &c::tls_ca),
    make_setting("json", "", "print events as JSON lines (false)", &c::json),
  };
  return all;
}

const std::vector<setting<actors::relay_node_config>>& relay_settings() {
  using c = actors::relay_node_config;
  static const std::vector<setting<c>> all = {
    make_setting("listen", "ADDR", "UDP address to serve on; port 0: any free one (0.0.0.0:4443)", &c::listen),
    make_setting("upstream", "ADDR", "relay or publisher that is asked for what nobody offers here: moqt://host:port#spki=... or host:port; several may be given", &c::upstream),
    make_setting("connect-to", "ADDR", "host:port at which the upstream is reached, while its certificate is checked for the name in --upstream; of several name:port=host:port; several may be given", &c::connect_to),
    make_setting("tls-insecure", "", "accept any certificate of upstreams without #spki= (false)", &c::tls_insecure),
    make_setting("tls-ca", "FILE", "certificate authorities to accept of upstreams, PEM (default: the system's)", &c::tls_ca),
    make_setting("token", "TOKEN", "access token that the upstreams are shown, from ec-node token make; who lists processes sees it here", &c::token),
    make_setting("token-file", "FILE", "the same in a file that its owner alone may read", &c::token_file),
    make_setting("token-key", "FILE", "key whose tokens let in, from ec-node token key, its public part if it has one; looked at again while the relay runs; several may be given (none: everybody is let in)", &c::token_key),
    make_setting("sessions-per-address", "N", "sessions that one address may have open, an IPv6 network of 64 bits counts as one; 0: any number (0)", &c::sessions_per_address),
    make_setting("sessions-per-token", "N", "with --token-key: the same of one token (0)", &c::sessions_per_token),
    make_setting("requests-per-address", "N", "requests (subscriptions, fetches, offers) that may be open in all sessions of one address; 0: any number (0)", &c::requests_per_address),
    make_setting("requests-per-token", "N", "with --token-key: the same of one token (0)", &c::requests_per_token),
    make_setting("publish-kbps-per-address", "N", "objects that one address may publish, kbit/s; who is faster is made to wait; 0: any rate (0)", &c::publish_kbps_per_address),
    make_setting("publish-kbps-per-token", "N", "with --token-key: the same of one token (0)", &c::publish_kbps_per_token),
    make_setting("public-publish", "PREFIX", "with --token-key: namespaces that may be published without a token, as a path; / for all; several may be given (none)", &c::public_publish),
    make_setting("public-subscribe", "PREFIX", "with --token-key: namespaces that may be subscribed to without a token; several may be given (none)", &c::public_subscribe),
    make_setting("state-dir", "DIR", "where the certificate is kept (~/.local/state/ec-node)", &c::state_dir),
    make_setting("tls-cert", "FILE", "certificate chain, PEM (default: a self-signed one, made and kept)", &c::tls_cert),
    make_setting("tls-key", "FILE", "private key of --tls-cert, PEM", &c::tls_key),
    make_setting("endpoint-addr-out", "FILE", "write the full address of this endpoint here", &c::endpoint_addr_out),
    make_setting("moq-version", "NAME", "version of MoQ that is spoken: moqt-18, moq-lite-05, moq-lite-04, moq-lite-03 or moqt-16; several may be given, the best first (all of them)", &c::moq_version),
    make_setting("cache-mb", "N", "objects that are kept for who joins late or fetches, MiB, of all tracks (1024)", &c::cache_mb),
    make_setting("cache-age", "SECONDS", "how long a group is kept; the newest of a track stays (120)", &c::cache_age),
    make_setting("publisher-linger-ms", "N", "how long a publisher that vanished is waited for, milliseconds (5000)", &c::publisher_linger),
    make_setting("require-manifest", "", "pass on of every.channel streams only what manifests of trusted keys list, and nothing else (false)", &c::require_manifest),
    make_setting("trust-signer", "KEY", "ed25519:<hex> of a signer whose manifests count; several may be given", &c::trust_signer),
    make_setting("trust-file", "FILE", "JSON: which keys to trust for which streams; adds to --trust-signer", &c::trust_file),
    make_setting("network-secret-file", "FILE", "secret of the streams that are verified, if they have one", &c::network_secret_file),
    make_setting("relay-unverified", "", "with --require-manifest: pass on tracks that are no every.channel stream, as they come (false)", &c::relay_unverified),
    make_setting("status-seconds", "N", "tell what it holds and has counted each N seconds; 0: at the end only (0)", &c::status_every),
    make_setting("json", "", "print events as JSON lines (false)", &c::json),
  };
  return all;
}

} // namespace ec::node
