/* The request of the device link that tests the device itself (SPEC.md 6.3). */
#include "sdfa_requests.h"
#include "sdfa_selftest.h"

static const struct sdfa_link_entry entries[] = {SDFA_REQUESTS_SELFTEST(SDFA_LINK_ENTRY)};
const struct sdfa_link_part sdfa_link_selftest = {entries, sizeof entries / sizeof *entries};

int sdfa_request_SELFTEST(struct sdfa_link *l, struct sdfa_exchange *x) {
    uint32_t then = sdfa_link_now(l);
    int error = sdfa_selftest(l->net);
    if (!error)
        sdfa_put_time(l, x, then);
    return error;
}
