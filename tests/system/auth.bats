#!/usr/bin/env bats
# Who may begin a session: the same key or certificates of one authority on both sides, and nobody else. Whoever is refused has
# caused nothing to be allocated, and both sides say why; the receiver waits on for its true sender.

load lib.bash

key() { psktool -u "${2:-alice}" -p "$1" >/dev/null; }	# key FILE [IDENTITY]: adds one

# certificate DIR END PURPOSE [LINE...]: DIR/END-cert.pem and its key, by the authority in DIR
certificate()
{
	local dir=$1 end=$2
	printf '%s\n' "cn = $end" "$3" signing_key 'expiration_days = 2' "${@:4}" >"$dir/$end.json"
	certtool --generate-privkey --key-type ed25519 --outfile "$dir/$end-key.pem" 2>/dev/null
	chmod 600 "$dir/$end-key.pem"
	[[ $end == ca ]] || certtool --generate-certificate --load-privkey "$dir/$end-key.pem" --template "$dir/$end.json" \
		--load-ca-certificate "$dir/ca-cert.pem" --load-ca-privkey "$dir/ca-key.pem" \
		--outfile "$dir/$end-cert.pem" 2>/dev/null
}

# authority DIR [ADDRESS]: a new one, with a certificate for each end; the receiver's is for ADDRESS
authority()
{
	mkdir -p "$1"
	certificate "$1" ca ca cert_signing_key
	certtool --generate-self-signed --load-privkey "$1/ca-key.pem" --template "$1/ca.json" --outfile "$1/ca-cert.pem" \
		2>/dev/null
	certificate "$1" server tls_www_server "ip_address = ${2:-127.0.0.1}"
	certificate "$1" client tls_www_client
}

# The sender ends with 4; the receiver says why, counts it, and waits on, without any memory for packets: until it is stopped.
refused_both()	# refused_both SEND_PATTERN RECV_PATTERN
{
	[[ $send_code == 4 ]] || fail "send ended with $send_code" || return
	json send '.result.code == 4 and .arena_bytes == 0 and .transport == ""'
	json send '.result.source_state == "running" and ([.devices[].state == "RUNNING"] | all)'
	said send "$1"
	until_true grep -Eq "refused, and waiting on: .*$2" recv.err
	kill -TERM "$pid_recv"
	ended recv
	[[ $recv_code == 9 ]] || fail "recv ended with $recv_code" || return
	json recv '.refused == 1 and .arena_bytes == 0 and .transport == ""'
	json recv '.result.destination_state == "untouched" and ([.devices[].state == "RUNNING"] | all)'
}

# status_kib NAME FIELD: of /proc, in KiB
status_kib()
{
	local pid=pid_$1
	awk -v field="$2:" '$1 == field { print $2 }' "/proc/${!pid}/status"
}

# knock BYTES...: somebody who says that, and is gone once the receiver has hung up.
knock()
{
	local fd
	exec {fd}<>"/dev/tcp/127.0.0.1/$port"
	printf "$@" >&"$fd" || true # it may hang up before it has heard all
	timeout -k 2 $patience_s cat <&"$fd" >/dev/null || true
	exec {fd}>&-
}

@test "with the same key the state arrives" {
	key both.psk
	migrate sim:bytes=8M,seed=3 -- --psk-file both.psk -- --psk-file both.psk --qps 8
	codes 0 0
	both '.authentication == "psk" and .insecure == false and .payload == "clear"'
}

@test "the sender uses the first key of its file, the receiver any" {
	key sender.psk bob
	key both.psk alice
	cat sender.psk >>both.psk
	migrate sim:bytes=1M -- --psk-file both.psk -- --psk-file sender.psk
	codes 0 0
}

@test "a wrong key is refused" {
	key here.psk
	key there.psk
	meet sim:bytes=1M -- --psk-file here.psk -- --psk-file there.psk
	refused_both 'does not accept .* pre-shared key' 'could not prove that it has the pre-shared key'
}

@test "an unknown identity is refused, in the same words" {
	key here.psk alice
	key there.psk mallory
	meet sim:bytes=1M -- --psk-file here.psk -- --psk-file there.psk
	refused_both 'does not accept .* pre-shared key' 'could not prove that it has the pre-shared key'
}

@test "a sender without a key is refused" {
	key here.psk
	meet sim:bytes=1M -- --psk-file here.psk --
	refused_both 'this side has no key' 'takes nobody without'
}

@test "a receiver without a key is refused" {
	key here.psk
	meet sim:bytes=1M -- -- --psk-file here.psk
	refused_both 'takes nobody without' 'this side has no key'
}

@test "a probe needs the key as well" {
	key here.psk
	recv --device sim:bytes=1M --psk-file here.psk
	refused 4 probe --to "127.0.0.1:$port" --device sim:bytes=1M --json
	said refused 'this side has no key'
	refused 0 probe --to "127.0.0.1:$port" --device sim:bytes=1M --json --psk-file here.psk
	json refused '.authentication == "psk"'
}

@test "whoever is refused costs the receiver no memory and no session" {
	key here.psk
	key there.psk
	recv --once --then hold --device sim:bytes=1M --psk-file here.psk --slots 256
	send --device sim:bytes=1M --psk-file there.psk --slots 256	# a wrong key
	[[ $send_code == 4 ]]
	send --device sim:bytes=1M --slots 256	# no key
	[[ $send_code == 4 ]]
	knock 'GET / HTTP/1.0\r\n\r\n'
	knock 'vfmg\0\1\0\2%056d' 0	# as a lane, before there is a session
	(($(status_kib recv VmHWM) < 128 * 1024))
	[[ $(status_kib recv VmLck) == 0 ]]
	send --device sim:bytes=1M --psk-file here.psk --slots 256
	until_true grep -q 'holding 1 device' recv.err
	(($(status_kib recv VmHWM) > 256 * 1024))
	kill -TERM "$pid_recv"
	ended recv
	codes 0 0
	json recv '.refused == 2'
}

@test "certificates of one authority let both in" {
	authority tls
	migrate sim:bytes=8M,seed=3 -- --tls-dir tls -- --tls-dir tls
	codes 0 0
	both '.authentication == "x509" and .insecure == false'
}

@test "by a path the receiver's certificate must be for localhost" {
	authority tls
	start recv recv --listen unix:here.sock --once --json --device sim:bytes=1M --tls-dir tls
	until_true listening recv "$pid_recv"
	refused 4 send --to unix:here.sock --device sim:bytes=1M --json --tls-dir tls
	certificate tls server tls_www_server 'dns_name = localhost'
	kill -TERM "$pid_recv"
	ended recv
	start recv recv --listen unix:here.sock --once --json --device sim:bytes=1M --tls-dir tls
	until_true listening recv "$pid_recv"
	refused 0 send --to unix:here.sock --device sim:bytes=1M --json --tls-dir tls
	ended recv
	[[ $recv_code == 0 ]]
}

@test "a sender's certificate of another authority is refused" {
	authority tls
	authority foreign
	cp tls/ca-cert.pem foreign
	meet sim:bytes=1M -- --tls-dir tls -- --tls-dir foreign
	refused_both 'does not accept this side.s certificate' 'NOT trusted'
}

@test "a receiver's certificate of another authority is refused" {
	authority tls
	authority foreign
	cp tls/ca-cert.pem foreign
	meet sim:bytes=1M -- --tls-dir foreign -- --tls-dir tls
	refused_both 'NOT trusted' 'does not accept this side.s certificate'
}

@test "a receiver's certificate for another address is refused" {
	authority tls 192.0.2.1
	meet sim:bytes=1M -- --tls-dir tls -- --tls-dir tls
	refused_both 'does not match' 'does not accept this side.s certificate'
}

@test "a sender's certificate does not make a receiver" {
	authority tls
	mkdir both
	cp tls/* both
	cp tls/client-key.pem both/server-key.pem
	cp tls/client-cert.pem both/server-cert.pem
	meet sim:bytes=1M -- --tls-dir both -- --tls-dir tls
	refused_both 'could not prove who it is' 'does not accept this side.s certificate'
}

@test "a key and a certificate do not go together" {
	authority tls
	key here.psk
	recv --device sim:bytes=1M --tls-dir tls
	send --device sim:bytes=1M --psk-file here.psk
	[[ $send_code == 4 ]]
	recv --device sim:bytes=1M --psk-file here.psk
	send --device sim:bytes=1M --tls-dir tls
	[[ $send_code == 4 ]]
	refused 2 send --to 127.0.0.1:1 --device sim: --psk-file here.psk --tls-dir tls
	said refused 'both are too many'
}

@test "a key that others may read is not used" {
	key here.psk
	chmod 640 here.psk
	refused 3 send --to 127.0.0.1:1 --device sim: --json --psk-file here.psk
	said refused 'chmod 600'
	refused 3 recv --listen 127.0.0.1:0 --device sim: --once --json --psk-file here.psk
	said refused 'chmod 600'
	authority tls
	chmod 644 tls/server-key.pem
	refused 3 recv --listen 127.0.0.1:0 --device sim: --once --json --tls-dir tls
	said refused 'server-key.pem.*chmod 600'
}

@test "a key file that is not one is refused" {
	refused 3 send --to 127.0.0.1:1 --device sim: --json --psk-file nowhere
	said refused 'nowhere'
	(umask 077 && echo 'alice:secret' >words.json)
	refused 3 send --to 127.0.0.1:1 --device sim: --json --psk-file words.json
	said refused 'words.json.*line 1.*hexadecimal'
	refused 3 send --to 127.0.0.1:1 --device sim: --json --tls-dir nowhere
	said refused 'nowhere/client-key.pem'
}

@test "without a key only loopback is listened on, unless it is asked for" {
	refused 2 recv --listen :0 --device sim: --once --json
	said refused 'psk-file'
	said refused 'insecure'
	json refused '.result.code == 2 and .insecure == true and .authentication == "none"'
	start recv recv --listen :0 --device sim:bytes=1M --once --json --insecure
	until_true listening recv "$pid_recv"
	said recv 'warning: --insecure'
	port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' recv.err)
	send --device sim:bytes=1M
	ended recv
	codes 0 0
	json recv '.insecure == true'
	json send '.insecure == false'
	key here.psk
	refused 2 recv --listen :0 --device sim: --once --insecure --psk-file here.psk
}

@test "with a key every address is listened on, and none of it is insecure" {
	key here.psk
	start recv recv --listen :0 --device sim:bytes=1M --once --json --psk-file here.psk
	until_true listening recv "$pid_recv"
	port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' recv.err)
	send --device sim:bytes=1M --psk-file here.psk
	ended recv
	codes 0 0
	both '.insecure == false and .authentication == "psk"'
	! grep -q -- '--insecure:' recv.err
}

@test "without a key nothing is sent to another host, unless it is asked for" {
	refused 2 send --to 192.0.2.1:7000 --device sim: --json
	said refused '192.0.2.1:7000.*psk-file'
	json refused '.result.source_state == "running" and .result.destination_state == "untouched"'
	refused 2 probe --to 192.0.2.1:7000 --device sim: --json
	said refused 'insecure'
}

@test "a recording has nobody who could prove anything" {
	refused 2 send --to file:nic.tape --device sim: --psk-file here.psk
	said refused 'has no peer'
	refused 2 send --to file:nic.tape --device sim: --insecure
	[[ ! -e nic.tape ]]
}

@test "one who says TLS and then nothing keeps the place from nobody" {
	key here.psk
	recv --once --device sim:bytes=1M --psk-file here.psk
	exec {peer}<>"/dev/tcp/127.0.0.1/$port"
	printf 'vfmg\x00\x01\x00\x03' >&"$peer"
	send --device sim:bytes=1M --psk-file here.psk
	ended recv
	exec {peer}>&-
	codes 0 0
}

@test "a handshake that is cut ends no session" {
	key here.psk
	recv --once --device sim:bytes=1M --psk-file here.psk
	exec {peer}<>"/dev/tcp/127.0.0.1/$port"
	printf 'vfmg\x00\x01\x00\x03\x16\x03\x01\x02\x00\x01' >&"$peer"
	exec {peer}>&-
	until_true grep -q 'was no source' recv.err
	send --device sim:bytes=1M --psk-file here.psk
	ended recv
	codes 0 0
}
