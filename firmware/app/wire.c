/* Requests and replies as bytes. */
#include "wire.h"

#include "sdfa.h"

uint32_t get_u16(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8;
}

uint32_t get_u32(const uint8_t *p) {
    return get_u16(p) | get_u16(p + 2) << 16;
}

void write_u16(uint32_t value) {
    const uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};

    app_write(bytes, sizeof bytes);
}

void write_u32(uint32_t value) {
    write_u16(value & 0xffffu);
    write_u16(value >> 16);
}

void write_u64(uint64_t value) {
    write_u32((uint32_t)value);
    write_u32((uint32_t)(value >> 32));
}

void begin(int status, uint32_t len) {
    write_u32((uint32_t)status);
    write_u32(status ? 0 : len);
}

static bool skip(uint32_t len) {
    uint8_t bytes[32];

    while (len > 0) {
        uint32_t part = len < sizeof bytes ? len : (uint32_t)sizeof bytes;

        if (!app_read(bytes, part))
            return false;
        len -= part;
    }
    return true;
}

bool refuse(int status, uint32_t len) {
    begin(status, 0);
    return skip(len);
}

bool stream(uint32_t len, uint32_t in_len, uint32_t out_len, bool (*next)(void)) {
    uint32_t n = len / in_len;

    if (len % in_len != 0 || (uint64_t)n * out_len > UINT32_MAX)
        return refuse(APP_ERR_LENGTH, len);
    begin(SDFA_ERR_OK, n * out_len);
    for (; n > 0; n--)
        if (!next())
            return false;
    return true;
}
