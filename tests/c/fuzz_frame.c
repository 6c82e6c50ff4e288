/* libFuzzer over the frame codec: any stream is survived, and what is found in it is coded back to the same frame. */
#include "sdfa_frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_again(const uint8_t *body, uint32_t len) {
    struct sdfa_frame f;
    uint8_t wire[SDFA_FRAME_WIRE_MAX];
    uint32_t n = sdfa_frame_put(wire, body, len), found = 0;
    memset(&f, 0, sizeof f);
    for (uint32_t i = 0; i < n; i++)
        found = sdfa_frame_take(&f, wire[i]);
    if (found != len || memcmp(f.body, body, len) != 0 || memchr(wire, 0, n) != wire + n - 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sdfa_frame f;
    memset(&f, 0, sizeof f);
    for (size_t i = 0; i < size; i++) {
        uint32_t len = sdfa_frame_take(&f, data[i]);
        if (len)
            same_again(f.body, len);
    }
    if (size >= 1 && size <= SDFA_FRAME_BODY_MAX)
        same_again(data, (uint32_t)size);
    return 0;
}
