/* A device behind a link, for tests: link_device IMAGE FLASH [TRACE_BYTES]. With the last one it offers all parts; with 0
 * the trace keeps a copy of the weights that it begins with, and 300 bytes. In turns: u16 n and n bytes on stdin that the line brings,
 * u16 n and n bytes on stdout that the device sends. FLASH is a file that outlives the device. */
#include "api_net.h"
#include "sdfa_gate.h"
#include "sdfa_link.h"
#include "sdfa_slots.h"
#include "sdfa_trace.h"

#include <string.h>

#define FLASH_LEN  65536u
#define SECTOR_LEN 4096u

static uint8_t flash_bytes[FLASH_LEN];
static const char *flash_path;

static void keep_flash(void) {
    FILE *f = fopen(flash_path, "wb");
    CHECK(f && fwrite(flash_bytes, 1, FLASH_LEN, f) == FLASH_LEN && fclose(f) == 0);
}

static int flash_read(void *context, uint32_t off, void *to, uint32_t len) {
    (void)context;
    memcpy(to, flash_bytes + off, len);
    return 0;
}

static int flash_program(void *context, uint32_t off, const void *from) {
    (void)context;
    memcpy(flash_bytes + off, from, 8);
    keep_flash();
    return 0;
}

static int flash_erase(void *context, uint32_t off) {
    (void)context;
    memset(flash_bytes + off, 0xff, SECTOR_LEN);
    keep_flash();
    return 0;
}

static void open_flash(void) {
    FILE *f = fopen(flash_path, "rb");
    memset(flash_bytes, 0xff, FLASH_LEN);
    if (f) {
        CHECK(fread(flash_bytes, 1, FLASH_LEN, f) == FLASH_LEN);
        fclose(f);
    }
}

/* All that a program may offer. */
static const struct sdfa_link_part *const parts[] = {&sdfa_link_gate, &sdfa_link_selftest, &sdfa_link_push,
                                                     &sdfa_link_trace};
static struct sdfa_gate gate;
static struct sdfa_trace trace;
static struct sdfa_slots slots;
static uint32_t arena[8192], tail[8192], held[256], copies[2][8192], steps[8192];
static uint32_t slot_bytes[8192]; /* lost with the power */

static int slot_read(void *context, uint32_t off, void *to, uint32_t len) {
    (void)context;
    memcpy(to, (const uint8_t *)slot_bytes + off, len);
    return 0;
}

static int slot_program(void *context, uint32_t off, const void *from) {
    (void)context;
    memcpy((uint8_t *)slot_bytes + off, from, 8);
    return 0;
}

static int slot_erase(void *context, uint32_t off) {
    (void)context;
    memset((uint8_t *)slot_bytes + off, 0xff, SECTOR_LEN);
    return 0;
}

static uint32_t clock_us(void) {
    static uint32_t us;
    return us += 5;
}

static void open_net(struct sdfa_link *l, const struct net *n, uint32_t trace_len) {
    static uint8_t unit[8];
    static const struct sdfa_flash flash = {slot_read,  slot_program, slot_erase, NULL,        unit, sizeof slot_bytes,
                                            SECTOR_LEN, 10000,        0,          sizeof unit, 0xff};
    slots.flash = &flash;
    slots.base = slot_bytes;
    slots.kernels = &sdfa_all_kernels;
    slots.arena = arena;
    slots.tail = tail;
    slots.arena_len = sizeof arena;
    slots.tail_len = sizeof tail;
    CHECK(sdfa_slots_open(&slots, l->net, n->image, n->image_len) == SDFA_ERR_OK);
    CHECK(sdfa_gate_init(&gate, l->net, held, sizeof held, copies[0], sizeof copies[0]) == SDFA_ERR_OK);
    CHECK(sdfa_trace_init(&trace, l->net, steps, trace_len ? trace_len : 300, trace_len ? NULL : copies[1],
                          sizeof copies[1]) == SDFA_ERR_OK);
    l->parts = parts;
    l->part_n = sizeof parts / sizeof *parts;
    l->gate = &gate;
    l->trace = &trace;
    l->slots = &slots;
    l->clock_us = clock_us;
    l->renew = 0;
}

static uint8_t sent[1u << 16];
static size_t sent_n;

static void send(const struct sdfa_link *l, uint32_t n) {
    CHECK(sent_n + n <= sizeof sent);
    memcpy(sent + sent_n, l->wire, n);
    sent_n += n;
}

/* One turn; 0 at the end of input. */
static int turn(struct sdfa_link *l) {
    uint8_t head[2];
    uint32_t n;
    if (fread(head, 1, 2, stdin) != 2)
        return 0;
    n = head[0] | (uint32_t)head[1] << 8;
    sent_n = 0;
    for (; n; n--) {
        int byte = getchar();
        CHECK(byte != EOF);
        send(l, sdfa_link_take(l, (uint8_t)byte));
        send(l, sdfa_link_work(l));
    }
    head[0] = (uint8_t)sent_n;
    head[1] = (uint8_t)(sent_n >> 8);
    fwrite(head, 1, 2, stdout);
    fwrite(sent, 1, sent_n, stdout);
    fflush(stdout);
    return 1;
}

int main(int argc, char **argv) {
    static uint8_t unit[8];
    static const struct sdfa_flash flash = {flash_read, flash_program, flash_erase, NULL,        unit, FLASH_LEN,
                                            SECTOR_LEN, 10000,         0,           sizeof unit, 0xff};
    struct sdfa_link l;
    struct net n;
    uint32_t trace_len = argc == 4 ? (uint32_t)atoi(argv[3]) : 0;
    CHECK(argc == 3 || argc == 4);
    flash_path = argv[2];
    open_flash();
    n = opened(argv[1]);
    memset(&l, 0, sizeof l);
    l.net = &n.s;
    l.flash = strcmp(flash_path, "none") == 0 ? NULL : &flash;
    l.board = "test";
    if (argc == 4)
        open_net(&l, &n, trace_len);
    (void)sdfa_load(&n.s, &flash);
    while (turn(&l))
        if (l.renew)
            open_net(&l, &n, trace_len);
    unload(&n);
    return 0;
}
