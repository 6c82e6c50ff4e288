/* Small tests on a board: lines that PlatformIO understands, through the board's serial port.
 *
 *   static void test_sum(void) {
 *       CHECK(1 + 1 == 2);
 *   }
 *   int main(void) {
 *       checks_begin();
 *       RUN(test_sum);
 *       return checks_end();
 *   }
 *
 * A test passes if none of its checks failed; checks behind one that failed are still done. Include it once in a program.
 */
#ifndef CHECKS_H
#define CHECKS_H

#include <stdint.h>
#include <string.h>

#include "sdfa_port.h"

#define CHECK(ok)                                                                                                      \
    do {                                                                                                               \
        if (!(ok))                                                                                                     \
            checks_failed(__LINE__, #ok);                                                                              \
    } while (0)
#define RUN(test) checks_run(__FILE__, __LINE__, #test, (test))

static struct {
    const char *file;
    const char *test;
    uint32_t run_n, failed_n;
    int failed; /* the present test */
} checks;

static void put_text(const char *text) {
    sdfa_port_put((const uint8_t *)text, (uint32_t)strlen(text));
}

static void put_number(uint32_t value) {
    char digits[11];
    char *at = digits + sizeof digits - 1;

    *at = 0;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    put_text(at);
}

static void put_place(uint32_t line, const char *status) {
    put_text(checks.file);
    put_text(":");
    put_number(line);
    put_text(":");
    put_text(checks.test);
    put_text(status);
}

static void checks_failed(uint32_t line, const char *what) {
    put_place(line, ":FAIL: ");
    put_text(what);
    put_text("\n");
    checks.failed = 1;
}

static void checks_run(const char *file, uint32_t line, const char *name, void (*test)(void)) {
    checks.file = file;
    checks.test = name;
    checks.failed = 0;
    test();
    checks.run_n++;
    checks.failed_n += (uint32_t)checks.failed;
    if (!checks.failed)
        put_place(line, ":PASS\n");
}

static void checks_begin(void) {
    sdfa_port_start();
}

/* The last line. Returns 0 if every test passed, else 1; a board stays here. */
static int checks_end(void) {
    put_number(checks.run_n);
    put_text(" Tests ");
    put_number(checks.failed_n);
    put_text(" Failures 0 Ignored\n");
#if !defined(__unix__) && !defined(__APPLE__) && !defined(_WIN32)
    for (;;) {
    }
#endif
    return checks.failed_n > 0;
}

#endif
