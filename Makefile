# hookcgi - webhooks on the server you already have
#
#   make            build/hookcgi
#   make static     build/hookcgi-static, one file that needs nothing on the host
#   make run        the whole thing on 127.0.0.1:8080 (PORT=…), to look at
#   make test       everything (SAN=1: under ASan and UBSan)
#   make torture    the long tier of tests/crash: kills, power losses, errors of the disk (about two hours)
#   make lint       warnings with gcc and clang, formatting, cppcheck, shellcheck, layers
#   make install    DESTDIR= PREFIX=/usr/local
#   make clean

VERSION = 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
PORT ?= 8080

MAKEFLAGS += --no-print-directory

CC ?= cc
ifdef SAN
BUILD ?= build-san
SANFLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-DHOOKCGI_SANITIZED
CFLAGS ?= -O1 -g
else
BUILD ?= build
CFLAGS ?= -O2 -g
HARDENING = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
HARDENING_LD = -pie -Wl,-z,relro,-z,now
endif

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla \
	-Wformat=2 -Wwrite-strings -Wpointer-arith -Wundef -Werror
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -DHOOKCGI_VERSION='"$(VERSION)"' -pthread -Isrc \
	$(WARNINGS) $(HARDENING) $(SANFLAGS) $(CFLAGS)
# Linked in, for fewer libraries to load at each start as CGI (LINKED_IN="-lz -lunistring" where there are no .a files).
LINKED_IN ?= -l:libz.a -l:libunistring.a
LIBS = -lfcgi -lconfuse -lyajl -lcrypto -lsqlite3 $(LINKED_IN)

SRC = $(sort $(wildcard src/*.c))
OBJ = $(SRC:src/%.c=$(BUILD)/%.o) $(BUILD)/provider_builtin.o
LIB_OBJ = $(filter-out $(BUILD)/main.o,$(OBJ))
# By name and not by file: "-" comes before "." but not before the end of a name.
PROVIDERS = $(patsubst %,providers/%.conf,$(sort $(basename $(notdir $(wildcard providers/*.conf)))))
CRASH_PRELOADS = $(sort $(wildcard tests/crash/*_preload.c))
CRASH_PROGRAMS = $(filter-out $(CRASH_PRELOADS),$(sort $(wildcard tests/crash/*.c)))
CRASH = $(CRASH_PRELOADS:tests/crash/%.c=$(BUILD)/crash/%.so) $(CRASH_PROGRAMS:tests/crash/%.c=$(BUILD)/crash/%)
UNIT = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))

all: needs-build
	@$(MAKE) $(BUILD)/hookcgi

-include $(OBJ:.o=.d)

# V=1 shows the commands.
Q = $(if $(V),,@)
SAY = $(if $(V),@:,@printf '  %-4s %s\n')

$(BUILD)/hookcgi: $(OBJ)
	$(SAY) LD $@
	$(Q)$(CC) $(ALL_CFLAGS) $(HARDENING_LD) $(LDFLAGS) -o $@ $(OBJ) -Wl,--as-needed $(LIBS)

$(BUILD)/%.o: src/%.c Makefile | $(BUILD)
	$(SAY) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/provider_builtin.o: $(BUILD)/provider_builtin.c
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Each line of each providers/NAME.conf becomes one C string.
$(BUILD)/provider_builtin.c: $(PROVIDERS) Makefile | $(BUILD)
	@awk 'BEGIN { print "#include \"provider_builtin.h\"\n"; \
		print "const struct provider_builtin_file provider_builtin_files[] = {" } \
	FNR == 1 { n = FILENAME; sub(".*/", "", n); sub("\\.conf$$", "", n); \
		if (NR > 1) print "\t},"; print "\t{ \"" n "\",\n\t\t\"\"" } \
	{ gsub(/\\/, "&&"); gsub(/"/, "\\\""); gsub(/\t/, "\\t"); print "\t\t\"" $$0 "\\n\"" } \
	END { if (NR > 0) print "\t},"; print "\t{ NULL, NULL },\n};\n" }' $(PROVIDERS) > $@.tmp
	@echo 'const size_t provider_builtin_count =' >> $@.tmp
	@echo '	sizeof provider_builtin_files / sizeof provider_builtin_files[0] - 1;' >> $@.tmp
	@mv $@.tmp $@

$(BUILD) $(BUILD)/unit $(BUILD)/crash $(BUILD)/bench:
	@mkdir -p $@

# The same program as one file that needs nothing on the host: see DESIGN.md
# for what a static program must not do (NSS, dlopen). The linker would warn of library functions
# that need them, which are linked in and never called.
STATIC_LIBS = -l:libfcgi.a -l:libconfuse.a -l:libyajl_s.a -l:libcrypto.a -l:libsqlite3.a -l:libz.a -l:libunistring.a \
	-lm -ldl

static: needs-build
	@$(MAKE) build/hookcgi-static

build/hookcgi-static: build-static/hookcgi
	@mkdir -p build
	cp build-static/hookcgi $@

# $(call make-static,FOLDER,VARIABLES)
make-static = $(MAKE) SAN= BUILD=$1 HARDENING='-D_FORTIFY_SOURCE=2 -fstack-protector-strong' \
	HARDENING_LD='-static -Wl,-z,relro,-z,now -Wl,--no-warnings' LIBS='$(STATIC_LIBS)' $2 $1/hookcgi

ifneq ($(filter build-static%,$(BUILD)),$(BUILD))
build-static/hookcgi: $(wildcard src/*.[ch]) $(PROVIDERS) Makefile
	$(call make-static,build-static)

# What the other providers cost at a start: a program with the first five alone.
build-static/five/hookcgi: $(wildcard src/*.[ch]) $(PROVIDERS) Makefile
	$(call make-static,build-static/five,PROVIDERS='$(patsubst %,providers/%.conf,digivault idfy sixpark webconnex wootric)')
endif

$(BUILD)/unit/%: tests/unit/%.c $(LIB_OBJ) | $(BUILD)/unit
	$(SAY) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIB_OBJ) $(HARDENING_LD) \
		-Wl,--as-needed -lcmocka $(LIBS)

-include $(wildcard $(BUILD)/unit/*.d)

# What tests/crash/ loads into the program (the sanitizers' own allocator and calls would be in the way:
# SAN=1 goes without), and what plays its records back.
$(BUILD)/crash/%_preload.so: tests/crash/%_preload.c Makefile | $(BUILD)/crash
	$(SAY) CC $<
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -pthread $(WARNINGS) -O2 -g -fPIC -shared -o $@ $< -ldl

$(BUILD)/crash/%: tests/crash/%.c $(LIB_OBJ) | $(BUILD)/crash
	$(SAY) CC $<
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIB_OBJ) $(HARDENING_LD) -Wl,--as-needed $(LIBS)

-include $(wildcard $(BUILD)/crash/*.d)

# TESTS=… runs only what it names (tests/e2e/cli.bats build/unit/test_json).
test: needs-test
	$(MAKE) test-here

test-here: $(BUILD)/hookcgi $(UNIT) build/hookcgi-static $(if $(SAN),,$(CRASH))
	tests/run.sh $(BUILD) $(TESTS)

torture: needs-test
	$(MAKE) $(BUILD)/hookcgi $(CRASH)
	TORTURE=1 tests/run.sh $(BUILD) $(or $(TESTS),$(wildcard tests/crash/*.bats))

run: needs-run
	$(MAKE) $(BUILD)/hookcgi
	@PORT=$(PORT) exec examples/demo/run.sh $(BUILD)/hookcgi

needs-%:
	@tests/needs.sh $*

lint: needs-lint
	$(MAKE) lint-here

SHELL_FILES = $(shell git ls-files 2>/dev/null | grep -E '\.(sh|bash|bats)$$|^\.ci/run$$|^examples/[a-z-]*$$')

lint-here: $(BUILD)/provider_builtin.c
	tests/layers.sh
	clang-format --dry-run -Werror src/*.[ch] tests/unit/*.[ch] tests/crash/*.c
	$(MAKE) CC=gcc BUILD=build/lint-gcc build/lint-gcc/hookcgi
	$(MAKE) CC=clang BUILD=build/lint-clang build/lint-clang/hookcgi
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability \
		--inline-suppr --suppress=missingIncludeSystem -Isrc src
	$(if $(SHELL_FILES),shellcheck $(SHELL_FILES))
	for page in man/*; do mandoc -T lint -W warning "$$page" || exit 1; done

# For people, from the files in providers/; tests/e2e/cli.bats fails when it is not of today.
PROVIDERS.md: $(BUILD)/hookcgi
	$(BUILD)/hookcgi provider --markdown > $@.tmp
	mv $@.tmp $@

# What bench/ needs besides the program itself.
bench: $(BUILD)/hookcgi build/hookcgi-static build/bench/hookcgi-five $(BUILD)/bench/spawn $(BUILD)/bench/timing $(BUILD)/bench/store

build/bench/hookcgi-five: build-static/five/hookcgi | $(BUILD)/bench
	cp $< $@

$(BUILD)/bench/%: bench/%.c $(LIB_OBJ) | $(BUILD)/bench
	$(CC) $(ALL_CFLAGS) -o $@ $< $(LIB_OBJ) $(HARDENING_LD) -Wl,--as-needed $(LIBS) -lm

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man7 \
		$(DESTDIR)$(PREFIX)/share/doc/hookcgi
	install -m 755 $(BUILD)/hookcgi $(DESTDIR)$(PREFIX)/bin/hookcgi
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 man/*.7 $(DESTDIR)$(PREFIX)/share/man/man7
	cp -R README.md PROVIDERS.md CHANGES.md LICENSE apache-conf lighttpd-conf nginx-conf examples \
		$(DESTDIR)$(PREFIX)/share/doc/hookcgi

clean:
	rm -rf build build-san build-static

.PHONY: all PROVIDERS.md bench static test test-here torture run lint lint-here install clean
