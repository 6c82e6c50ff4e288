/* What the digits learned comes back from flash, here an array in RAM: after a restart, after a cut, after damage. */
#include "checks.h"
#include "digits.h"
#include "sdfa_store.h"

enum { SECTOR_LEN = 2048, SECTOR_N = 6, WRITE_LEN = 8 };

static struct sdfa net;
static uint32_t arena[DIGITS_ARENA_LEN / 4], tail[DIGITS_TAIL_LEN / 4], kept[DIGITS_TAIL_LEN / 4];
static uint8_t cells[SECTOR_N * SECTOR_LEN], unit[WRITE_LEN];
static uint32_t operations_left; /* until the power goes */

static int power_is_gone(void) {
    return operations_left == 0 || operations_left-- == 0;
}

static int flash_read(void *context, uint32_t off, void *to, uint32_t len) {
    (void)context;
    memcpy(to, cells + off, len);
    return 0;
}

static int flash_program(void *context, uint32_t off, const void *from) {
    (void)context;
    if (power_is_gone())
        return -1;
    memcpy(cells + off, from, WRITE_LEN);
    return 0;
}

static int flash_erase(void *context, uint32_t off) {
    (void)context;
    if (power_is_gone())
        return -1;
    memset(cells + off, 0xff, SECTOR_LEN);
    return 0;
}

static const struct sdfa_flash flash = {
    .read = flash_read,
    .program = flash_program,
    .erase = flash_erase,
    .unit = unit,
    .len = sizeof cells,
    .sector_len = SECTOR_LEN,
    .endurance = 10000,
    .write_len = WRITE_LEN,
    .erased = 0xff,
};

/* What happens when the board is switched on. */
static int power_on(void) {
    operations_left = UINT32_MAX;
    memset(tail, 0, sizeof tail);
    CHECK(sdfa_open(&net, digits_image, sizeof digits_image, &digits_kernels, arena, sizeof arena, tail, sizeof tail) ==
          SDFA_ERR_OK);
    return sdfa_load(&net, &flash);
}

static void learn(uint32_t label) {
    sdfa_run(&net);
    CHECK(sdfa_learn(&net, label) == SDFA_ERR_OK);
}

static void new_flash(void) {
    memset(cells, 0xff, sizeof cells);
}

static void test_nothing_was_saved(void) {
    new_flash();
    CHECK(power_on() == SDFA_ERR_STORE_EMPTY);
}

static void test_what_was_saved_comes_back(void) {
    new_flash();
    power_on();
    learn(1);
    memcpy(kept, tail, sizeof tail);
    CHECK(sdfa_save(&net, &flash) == SDFA_ERR_OK);
    learn(2);
    CHECK(power_on() == SDFA_ERR_OK);
    CHECK(memcmp(kept, tail, sizeof tail) == 0);
    CHECK(net.stats.steps == 1);
}

static void test_a_cut_leaves_the_older_weights(void) {
    new_flash();
    power_on();
    learn(1);
    CHECK(sdfa_save(&net, &flash) == SDFA_ERR_OK);
    memcpy(kept, tail, sizeof tail);
    for (uint32_t cut = 1; cut < 600; cut += 97) {
        learn(cut % 10);
        operations_left = cut;
        CHECK(sdfa_save(&net, &flash) != SDFA_ERR_OK || operations_left > 0);
        if (operations_left > 0)
            memcpy(kept, tail, sizeof tail);
        CHECK(power_on() == SDFA_ERR_OK);
        CHECK(memcmp(kept, tail, sizeof tail) == 0);
    }
}

static void test_damage_is_told(void) {
    new_flash();
    power_on();
    memcpy(kept, tail, sizeof tail);
    learn(5);
    CHECK(sdfa_save(&net, &flash) == SDFA_ERR_OK);
    memset(cells + 100, 0, 64);
    CHECK(power_on() == SDFA_ERR_STORE_DAMAGED);
    CHECK(memcmp(kept, tail, sizeof tail) == 0);
}

int main(void) {
    checks_begin();
    RUN(test_nothing_was_saved);
    RUN(test_what_was_saved_comes_back);
    RUN(test_a_cut_leaves_the_older_weights);
    RUN(test_damage_is_told);
    return checks_end();
}
