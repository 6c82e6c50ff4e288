/* A device behind a link, for tests: link_device IMAGE FLASH. In turns: u16 n and n bytes on stdin that the line brings,
 * u16 n and n bytes on stdout that the device sends. FLASH is a file that outlives the device. */
#include "api_net.h"
#include "sdfa_link.h"

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
    CHECK(argc == 3);
    flash_path = argv[2];
    open_flash();
    n = opened(argv[1]);
    memset(&l, 0, sizeof l);
    l.net = &n.s;
    l.flash = strcmp(flash_path, "none") == 0 ? NULL : &flash;
    l.board = "test";
    (void)sdfa_load(&n.s, &flash);
    while (turn(&l)) {
    }
    unload(&n);
    return 0;
}
