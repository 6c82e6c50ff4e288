/* Frames of the device link (SPEC.md 6). */
#include "sdfa_frame.h"

#include "sdfa_internal.h"

static void store(struct sdfa_frame *f, uint8_t byte) {
    if (f->len < sizeof f->body)
        f->body[f->len++] = byte;
    else
        f->bad = 1;
}

/* A zero: the frame ends here. Its body's length when it is sound. */
static uint32_t finish(struct sdfa_frame *f) {
    uint32_t len = f->len, sum = 0;
    int empty = len == 0 && !f->bad && !f->zero && !f->left;
    int whole = !f->bad && !f->left && len > 4;
    f->len = 0;
    f->left = f->zero = f->bad = 0;
    if (empty)
        return 0;
    for (uint32_t i = 0; whole && i < 4; i++)
        sum |= (uint32_t)f->body[len - 4 + i] << (8 * i);
    if (whole && sum == sdfa_crc32(0, f->body, len - 4))
        return len - 4;
    f->damage++;
    return 0;
}

uint32_t sdfa_frame_take(struct sdfa_frame *f, uint8_t byte) {
    if (byte == 0)
        return finish(f);
    if (f->left) {
        f->left--;
        store(f, byte);
        return 0;
    }
    if (f->zero)
        store(f, 0);
    f->left = (uint8_t)(byte - 1);
    f->zero = byte < 255;
    return 0;
}

/* The coded bytes so far: the code byte that is still open, and the end. */
struct coder {
    uint8_t *wire;
    uint32_t code, end;
};

static void code_byte(struct coder *c, uint8_t byte) {
    if (byte) {
        c->wire[c->end++] = byte;
        if (c->end - c->code < 255)
            return;
    }
    c->wire[c->code] = (uint8_t)(c->end - c->code);
    c->code = c->end++;
}

uint32_t sdfa_frame_put(uint8_t *wire, const uint8_t *body, uint32_t len) {
    struct coder c = {wire, 0, 1};
    uint32_t sum;
    if (len < 1 || len > SDFA_FRAME_BODY_MAX)
        return 0;
    sum = sdfa_crc32(0, body, len);
    for (uint32_t i = 0; i < len; i++)
        code_byte(&c, body[i]);
    for (uint32_t i = 0; i < 4; i++)
        code_byte(&c, (uint8_t)(sum >> (8 * i)));
    wire[c.code] = (uint8_t)(c.end - c.code);
    wire[c.end++] = 0;
    return c.end;
}
