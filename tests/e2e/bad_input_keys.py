"""The rows of bad_input.py for the commands that make keys and tokens."""
import os
import subprocess

USAGE, NOT_VERIFIED, FAILED = 2, 1, 3


def keygen(t):
    t.row("keygen", [], USAGE, "--out")
    t.row("keygen", ["--out", t.path("there.key", b"x")], USAGE, "there.key", "never written over")
    t.row("keygen", ["--out", t.path("nowhere/a.key")], FAILED, "nowhere/a.key")
    assert open(t.path("there.key"), "rb").read() == b"x", "keygen wrote over a file"
    t.complete("keygen")


def key(t, good_key):
    statement = t.path("good.revoked")
    t.row("key", [], USAGE, "show FILE")
    t.row("key", ["turn"], USAGE, "turn", "rotate")
    t.row("key show", [], USAGE, "FILE")
    t.row("key show", ["/nowhere.key"], USAGE, "/nowhere.key")
    t.row("key show", [t.path("garbage.key", b"not a key\n")], USAGE, "garbage.key")
    t.row("key show", [t.path("half.json", b'{"key_statement":"revoke"}')], NOT_VERIFIED, "half.json")
    t.complete("key show")
    for out in ([], ["--out", t.path("next.key")]):
        t.row("key rotate", out, USAGE, "--key")
    t.row("key rotate", ["--key", good_key], USAGE, "--out")
    t.row("key rotate", ["--key", "/nowhere.key", "--out", t.path("next.key")], USAGE, "/nowhere.key")
    t.row("key rotate", ["--key", good_key, "--out", t.path("there.key", b"x")], USAGE, "there.key", "exists")
    t.row("key rotate", ["--key", good_key, "--out", t.path("next.key"), "--statement", "/nowhere/s"], FAILED, "/nowhere/s")
    assert not os.path.exists(t.path("next.key")) and not os.path.exists(t.path("there.key.statement")), "half a rotation was left behind"
    t.complete("key rotate")
    t.row("key revoke", ["--statement", statement], USAGE, "--key")
    t.row("key revoke", ["--key", good_key], USAGE, "--statement")
    t.row("key revoke", ["--key", "/nowhere.key", "--statement", statement], USAGE, "/nowhere.key")
    t.row("key revoke", ["--key", good_key, "--statement", t.path("there", b"x")], USAGE, "there", "exists")
    t.complete("key revoke")
    subprocess.run([t.binary, "key", "revoke", "--key", good_key, "--statement", statement], check=True, capture_output=True)


def token(t):
    made = t.path("access.jwk")
    subprocess.run([t.binary, "token", "key", "--out", made], check=True, capture_output=True)
    t.row("token", [], USAGE, "make --key")
    t.row("token", ["bake"], USAGE, "bake", "explain")
    t.row("token key", [], USAGE, "--out")
    t.row("token key", ["--alg", "none", "--out", t.path("n.jwk")], USAGE, "--alg", "none", "ES256")
    t.row("token key", ["--id", "x" * 300, "--out", t.path("n.jwk")], USAGE, "--id", "256")
    t.row("token key", ["--alg", "HS256", "--out", t.path("n.jwk"), "--public-out", t.path("n.pub")], USAGE, "--public-out", "HS256")
    t.row("token key", ["--out", t.path("there.jwk", b"x")], USAGE, "there.jwk", "exists")
    t.row("token key", ["--out", t.path("n.jwk"), "--public-out", t.path("there.pub", b"x")], USAGE, "there.pub", "exists")
    t.row("token key", ["--out", "/nowhere/a.jwk", "--public-out", t.path("n.pub")], FAILED, "/nowhere/a.jwk")
    for left in ("n.jwk", "n.pub", "there.jwk.pub"):
        assert not os.path.exists(t.path(left)), f"token key left {left} behind"
    t.complete("token key")
    t.row("token make", ["--publish", "a"], USAGE, "--key")
    t.row("token make", ["--key", made], USAGE, "--publish", "--subscribe")
    t.row("token make", ["--key", "/nowhere.jwk", "--publish", "a"], USAGE, "/nowhere.jwk")
    t.row("token make", ["--key", made + ".pub", "--publish", "a"], USAGE, "access.jwk.pub", "cannot sign")
    t.row("token make", ["--key", t.path("open.jwk", open(made, "rb").read(), 0o644), "--publish", "a"], FAILED, "open.jwk")
    t.row("token make", ["--key", made, "--publish", "x" * 5000], USAGE, "--publish")
    t.row("token make", ["--key", made, "--subscribe", "/".join("x" * 40)], USAGE, "--subscribe")
    t.row("token make", ["--key", made, "--publish", "a", "--subject", "x" * 300], USAGE, "--subject", "256")
    for life in ("0s", "1", "-1h", "1w", "9999999999999999999s", "11000d", "soon"):
        t.row("token make", ["--key", made, "--publish", "a", "--expires", life], USAGE, "--expires", life)
    t.complete("token make")
    t.row("token explain", [], USAGE, "TOKEN")
    t.row("token explain", ["a.b.c", "d.e.f"], USAGE, "TOKEN")
    t.row("token explain", ["a.b.c", "--key", "/nowhere.jwk"], USAGE, "/nowhere.jwk")
    t.row("token explain", ["a.b.c", "--key", t.path("garbage.jwk", b"garbage!")], USAGE, "garbage.jwk")
    t.row("token explain", ["a.b"], NOT_VERIFIED, "three parts")
    t.row("token explain", ["x" * 5000], NOT_VERIFIED, "4096")
    t.row("token explain", ["-"], NOT_VERIFIED, "three parts")
    t.complete("token explain")


def shown(t, bad, dialled):
    """--token, --token-file and the certificate of who dials."""
    text = subprocess.run([t.binary, "token", "make", "--key", t.path("access.jwk"), "--publish", "a"], check=True, capture_output=True, text=True).stdout.strip()
    there = [dialled, "a.example:1"]
    bad([*there, "--token", "nonsense"], USAGE, "--token", "three parts")
    bad([*there, "--token", text, "--token-file", t.path("a.token", text.encode())], USAGE, "--token", "give one")
    bad([dialled, "moqt://a.example:1/?jwt=" + text, "--token", text], USAGE, "--token", "already")
    bad([*there, "--token-file", "/nowhere.token"], USAGE, "--token-file", "/nowhere.token")
    bad([*there, "--token-file", t.path("open.token", text.encode(), 0o644)], USAGE, "--token-file", "open.token")
    bad([*there, "--token-file", t.path("long.token", b"x" * 5000)], USAGE, "--token-file", "long.token")
    bad([*there, "--client-cert", "/nowhere.pem"], USAGE, "--client-cert", "--client-key")
    bad([*there, "--client-key", "/nowhere.pem"], USAGE, "--client-key", "--client-cert")
    bad([*there, "--client-cert", "/nowhere.pem", "--client-key", "/nowhere.pem"], USAGE, "--client-cert", "/nowhere.pem")


def relay_access(t, bad):
    bad(["--token-key", "/nowhere.jwk"], USAGE, "--token-key", "/nowhere.jwk")
    bad(["--token-key", t.path("garbage.jwk", b"garbage!")], USAGE, "--token-key", "garbage.jwk")
    bad(["--token-key", t.path("access.jwk"), "--token-key", t.path("access.jwk.pub")], USAGE, "--token-key", "twice")
    bad(["--public-publish", "a"], USAGE, "--public-publish", "--token-key")
    bad(["--public-subscribe", "a"], USAGE, "--public-subscribe", "--token-key")
    key = ["--token-key", t.path("access.jwk.pub")]
    for option in ("--public-publish", "--public-subscribe"):
        bad([*key, option, "x" * 5000], USAGE, option)
    for option in ("--sessions-per-token", "--requests-per-token", "--publish-kbps-per-token"):
        bad([option, "1"], USAGE, option, "--token-key")
    for option in ("--sessions-per-address", "--requests-per-address", "--publish-kbps-per-address"):
        bad([option, "x"], USAGE, option)
        bad([option, "-1"], USAGE, option)
    for option in ("--peer-publish", "--peer-subscribe"):
        bad([option, "a"], USAGE, option, "--client-ca")
    bad(["--client-ca", "/nowhere.pem"], USAGE, "--client-ca", "/nowhere.pem")
    bad(["--client-ca", t.path("garbage.pem", b"garbage!")], USAGE, "--client-ca", "garbage.pem")
    bad(["--client-cert", "/nowhere.pem", "--client-key", "/nowhere.pem"], USAGE, "--client-cert", "--upstream")
    bad(["--token", "a.b.c"], USAGE, "--token", "--upstream")
    bad(["--token-file", "/nowhere.token"], USAGE, "--token-file", "--upstream")
    shown(t, bad, "--upstream")
