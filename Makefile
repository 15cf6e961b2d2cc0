# The one door for people; CI calls what a person calls.

SHELL   := /bin/bash
CARGO   ?= cargo
PREFIX  ?= /usr/local
DESTDIR ?=
FILE    ?=
ARGS    ?=

# What is installed and packaged, and where Debian wants zsh's completions.
BINARY  ?= target/release/tailcast
MANUAL  ?= target/manual
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions

# Where packages go, and for which machine a static program is.
PACKAGES ?= target/packages
STATIC   ?= $(shell uname -m)-unknown-linux-musl
VERSION  := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
ARM64    := aarch64-unknown-linux-gnu

.DEFAULT_GOAL := help
.PHONY: help run demo test test-brokers soak screenshots check bench bench-peers build install
.PHONY: deb deb-arm64 rpm static image packages try-packages release clean

help: ## this list
	@echo "make TARGET, where TARGET is:"
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: ## follow files: make run FILE=/var/log/syslog (options of tailcast in ARGS=)
	@test -n "$(FILE)" || { echo "which file? make run FILE=/var/log/syslog" >&2; exit 2; }
	@$(CARGO) run --release -q -- $(ARGS) $(FILE)

demo: ## a sample log that grows and rotates by itself, and tailcast on it
	@$(CARGO) build --release -q
	@scripts/demo.sh $(ARGS)

# What each test leaves out for want of a program goes into one file, which is shown at the end.
test: export LEFT_OUT := $(CURDIR)/target/left-out
test: ## all tests; those that want a program that is not installed leave it out, and the end says what
	@mkdir -p target && rm -f "$(LEFT_OUT)"
	$(CARGO) test
	$(CARGO) test --no-default-features --test it command::
	@if [ -n "$$CI" ] || $(CARGO) test -q --no-run --features webrtc --lib --test it --test page 2>/dev/null; then \
	  set -x; $(CARGO) test --features webrtc --lib --test it --test page rtc::; \
	else \
	  echo "left out: rtc:: wants Rust 1.88, pkg-config and libssl-dev (cargo check --features webrtc)" >>"$(LEFT_OUT)"; \
	fi
	@if [ -s "$(LEFT_OUT)" ]; then sort -u "$(LEFT_OUT)"; \
	  echo "apt-get install curl netcat-openbsd openssl logrotate systemd nginx caddy mosquitto chromium nodejs" \
	    "brings in what they want"; fi

test-brokers: ## publishing, against real Mosquitto and RabbitMQ (TAILCAST_OUTAGE_SECONDS=30 for a long outage)
	$(CARGO) test --test brokers -- --nocapture

soak: ## ten minutes of random scripts of logger, rotator and clients; a minute of a fast log in a browser
	TAILCAST_SOAK_SECONDS=600 $(CARGO) test --release --test model -- --nocapture
	TAILCAST_SOAK_SECONDS=600 $(CARGO) test --release --test it upstream::chain
	TAILCAST_SOAK_SECONDS=600 $(CARGO) test --release --test brokers however_the_broker_ends
	TAILCAST_PAGE_SECONDS=60 $(CARGO) test --release --test page -- --nocapture --test-threads 1 fast:: waits::

screenshots: ## pictures of the page, wide and phone, light and dark, and of twenty machines, into scripts/screenshots (small with pngquant)
	TAILCAST_SCREENSHOTS=scripts/screenshots $(CARGO) test --test page can_be_pictured
	@if command -v pngquant >/dev/null; then pngquant --force --strip --ext .png scripts/screenshots/*.png; fi

check: ## format, lints, documentation, no async runtime, and what the dependencies are licensed under
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) clippy --test brokers -- -D warnings
	$(CARGO) clippy --no-default-features -- -D warnings
	$(CARGO) clippy --features webrtc --lib --test it -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps
	scripts/check-no-async.sh
	scripts/check-dependencies.sh

bench: ## measure against the floor, for some ten minutes (what is measured: make bench ARGS=--help)
	@$(CARGO) bench --bench bench -- $(ARGS)

bench-peers: ## the same for other programs of this kind, those that are installed: websocketd, websocat, nginx with nchan
	@$(CARGO) bench --bench bench -- $(ARGS) peers-1 peers-100 peers-1000 peers-flat

build: ## the release build: target/release/tailcast, with its man page and completions
	$(CARGO) build --release
	$(CARGO) run -q --example manual -- $(MANUAL)

# Does not build: `make build` as yourself, then `sudo make install`.
install: ## into DESTDIR/PREFIX: program, systemd units, man page, completions (after make build)
	@test -x $(BINARY) -a -e $(MANUAL)/tailcast.8 || { echo "nothing to install yet: make build" >&2; exit 1; }
	@BINARY=$(BINARY) MANUAL=$(MANUAL) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) ZSHDIR=$(ZSHDIR) scripts/packaging/install.sh

deb: build ## a package for Debian and Ubuntu, into target/packages
	@scripts/packaging/deb.sh $(BINARY) $(MANUAL) $(PACKAGES)

# Wants gcc-aarch64-linux-gnu, and `rustup target add aarch64-unknown-linux-gnu`.
deb-arm64: build ## the same for arm64, built on this machine
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc $(CARGO) build --release --target $(ARM64)
	@scripts/packaging/deb.sh target/$(ARM64)/release/tailcast $(MANUAL) $(PACKAGES)

rpm: build ## a package for Fedora, RHEL and SUSE (wants Debian's package rpm)
	@scripts/packaging/rpm.sh $(BINARY) $(MANUAL) $(PACKAGES)

# Wants musl-tools, and `rustup target add x86_64-unknown-linux-musl`.
static: ## one file that needs nothing of the machine it runs on: target/packages/tailcast-static
	$(CARGO) build --release --target $(STATIC)
	@install -D -m 755 target/$(STATIC)/release/tailcast $(PACKAGES)/tailcast-static

image: static ## a container image of that file and nothing else, by buildah, podman or docker
	@scripts/packaging/image.sh $(PACKAGES)/tailcast-static $(PACKAGES)

packages: deb deb-arm64 rpm static image ## all of these

try-packages: ## each package that was built, installed and run in a root of its own (as root; IN="DIR…": Debians of debootstrap)
	@scripts/packaging/try.sh $(PACKAGES) $(IN)

release: ## check, test, build and try all packages, and say what is left to do by hand
	@scripts/packaging/release.sh versions
	$(MAKE) check test test-brokers packages try-packages
	@scripts/packaging/release.sh by-hand $(PACKAGES)

clean: ## remove what was built
	$(CARGO) clean
