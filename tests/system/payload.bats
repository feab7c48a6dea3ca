#!/usr/bin/env bats
# Sealed packets: every kind of stream arrives, both sides say so, and nobody gets less than he asked for.

load lib.bash

# Silence must decide nothing here, however busy the machine is.
keyed=(--psk-file both.psk --peer-timeout 30)

key() { psktool -u alice -p both.psk >/dev/null; }

sealed()
{
	codes 0 0
	both '.payload == "aead" and .integrity == "aead" and .authentication == "psk"'
	! grep -qi warning send.err recv.err || fail "a warning"
}

@test "either side's wish seals the packets" {
	key
	migrate sim:bytes=8M,seed=3 -- "${keyed[@]}" -- "${keyed[@]}" --payload aead
	sealed
	migrate sim:bytes=8M,seed=3 -- "${keyed[@]}" --payload aead -- "${keyed[@]}"
	sealed
	migrate sim:bytes=8M,seed=3 -- "${keyed[@]}" --payload aead -- "${keyed[@]}" --payload aead
	sealed
}

@test "sealed streams of every length arrive, empty ones too" {
	key
	migrate sim:bytes=0 sim:bytes=1 sim:bytes=15 sim:bytes=16 sim:bytes=65535 sim:bytes=65536 sim:bytes=65537 \
		sim:bytes=3000001,seed=7 -- "${keyed[@]}" -- "${keyed[@]}" --payload aead --qps 3 --slots 4 \
		--slot-bytes 64K --config-after-iter on
	sealed
	both '.gate == "on"'
}

@test "a sealed stream of PRE_COPY arrives, and one of a device of a few hundred bytes" {
	key
	migrate sim:bytes=20M,precopy=enomsg,precopy-bytes=16M sim:personality=tiny,bytes=320 -- "${keyed[@]}" \
		-- "${keyed[@]}" --payload aead
	sealed
	json send '.budget.devices[0].precopy_bytes > 0'
}

@test "sealed streams arrive with serial states, and by write(2)" {
	key
	migrate sim:bytes=2M,seed=1 sim:bytes=3M,seed=2 -- "${keyed[@]}" --parallel-states off --loader write \
		-- "${keyed[@]}" --payload aead --parallel-states off --integrity none
	sealed
	json recv '.loader == "write"'
}

@test "the memory that packets are opened in is counted" {
	key
	migrate sim:bytes=2M,seed=1 sim:bytes=3M,seed=2 -- "${keyed[@]}" -- "${keyed[@]}" --payload aead
	json recv '.private_bytes >= 2 * 1048576 and .private_bytes < 5 * 1048576'
	json send '.private_bytes == 0'
	migrate sim:bytes=1M -- "${keyed[@]}" -- "${keyed[@]}"
	both '.private_bytes == 0 and .payload == "clear"'
}

@test "a recording is sealed on its way" {
	key
	refused 0 send --to file:nic.state --device sim:bytes=3M,seed=5
	recv --once --device sim:bytes=3M,seed=5 "${keyed[@]}"
	send --device file:nic.state "${keyed[@]}" --payload aead
	ended recv
	sealed
}

@test "clear against aead is refused before anything is stopped" {
	key
	migrate sim:bytes=1M -- "${keyed[@]}" --payload clear -- "${keyed[@]}" --payload aead
	codes 3 3
	said send 'the source wants the packets sealed .payload aead., the destination wants them clear'
	said recv 'the source wants the packets sealed .payload aead., the destination wants them clear'
	both '.result.name == "payload-conflict" and .result.source_state == "running" and .arena_bytes == 0'
	migrate sim:bytes=1M -- "${keyed[@]}" --payload aead -- "${keyed[@]}" --payload clear
	codes 3 3
	said send 'the destination wants the packets sealed'
}

@test "without a key there is nothing to seal with" {
	refused 2 send --to 127.0.0.1:1 --device sim: --payload aead
	said refused 'psk-file'
	refused 2 recv --listen 127.0.0.1:0 --device sim: --once --payload aead
	said refused 'psk-file'
	refused 2 probe --to 127.0.0.1:1 --device sim: --payload aead
	said refused 'psk-file'
	refused 2 send --to 127.0.0.1:1 --device sim: --payload open
	said refused 'clear or aead'
}

@test "a recording is not encrypted, and says so" {
	refused 2 send --to file:nic.state --device sim: --payload aead
	said refused 'not encrypted'
	[[ ! -e nic.state ]]
}

@test "a key without sealed packets is warned of, at both sides" {
	key
	migrate sim:bytes=1M -- "${keyed[@]}" -- "${keyed[@]}" --payload clear
	codes 0 0
	said send 'warning: TLS protects the control connection only'
	said recv 'warning: TLS protects the control connection only'
	migrate sim:bytes=1M
	codes 0 0
	! grep -q warning send.err recv.err || fail "a warning without TLS"
}

@test "a probe says what its packets would be" {
	key
	recv --device sim:bytes=1M "${keyed[@]}"
	refused 0 probe --to "127.0.0.1:$port" --device sim:bytes=1M --json "${keyed[@]}" --payload aead
	json refused '.payload == "aead"'
}
