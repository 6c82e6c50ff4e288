/* The promises of sdfa_store.h, one case each: store CASE IMAGE [OTHER IMAGE]. A broken one is named on stderr. */
#include "flash_sim.h"

#include <string.h>

#define ENDURANCE 1000000u
#define SAVES     16u

/* A device: net and flash, and what its owner knows of them. */
struct device {
    struct net n;
    struct flash_sim *f;
    uint8_t *old, *young; /* weights that were saved for certain; weights whose save was under way (NULL: none) */
    uint32_t old_steps, young_steps;
};

static struct device device(const char *path, uint32_t write_len, uint8_t erased) {
    struct device d;
    uint32_t sector = write_len < 256 ? 256 : 512;
    memset(&d, 0, sizeof d);
    d.n = opened(path);
    d.f = sim_new(4 * sector + 100, sector, write_len, erased, ENDURANCE);
    d.old = copy(d.n.tail, d.n.tail_len);
    return d;
}

static void discard(struct device *d) {
    unload(&d->n);
    sim_free(d->f);
    free(d->old);
    free(d->young);
}

/* Other weights, and other counts. */
static void drift(struct device *d, uint32_t i) {
    for (uint32_t j = 0; j < d->n.tail_len; j++)
        d->n.tail[j] = (uint8_t)(i * 31u + j * 7u);
    d->n.s.stats.steps = i + 1;
    d->n.s.random = i * 77u;
}

static int holds(const struct device *d, const uint8_t *weights, uint32_t steps) {
    return memcmp(d->n.tail, weights, d->n.tail_len) == 0 && d->n.s.stats.steps == steps;
}

/* Power off and on: the device must have the old or the young weights. */
static void reboot(struct device *d, uint32_t cut, enum torn torn) {
    int error, nothing_saved = d->old_steps == 0;
    sim_power_on(d->f, 0, TORN_NOT);
    memset(d->n.tail, 0x77, d->n.tail_len);
    CHECK(open_with(&d->n, &sdfa_all_kernels, 1) == SDFA_ERR_OK);
    error = sdfa_load(&d->n.s, &d->f->flash);
    CHECK(error == SDFA_ERR_OK ||
          (nothing_saved && (error == SDFA_ERR_STORE_EMPTY || error == SDFA_ERR_STORE_DAMAGED)));
    CHECK(holds(d, d->old, d->old_steps) || (d->young && holds(d, d->young, d->young_steps)));
    if (d->young && holds(d, d->young, d->young_steps)) {
        free(d->old);
        d->old = d->young;
        d->old_steps = d->young_steps;
    } else {
        free(d->young);
    }
    d->young = NULL;
    sim_power_on(d->f, cut, torn);
}

/* Saves or forgets; whether the power lasted. */
static int keep(struct device *d, uint32_t i) {
    int error, forget = i % 5 == 3;
    drift(d, i);
    free(d->young);
    d->young = forget ? copy(d->n.s.factory, d->n.tail_len) : copy(d->n.tail, d->n.tail_len);
    d->young_steps = forget ? 0 : i + 1;
    error = forget ? sdfa_forget(&d->n.s, &d->f->flash) : sdfa_save(&d->n.s, &d->f->flash);
    CHECK(error == (d->f->off ? SDFA_ERR_FLASH : SDFA_ERR_OK));
    if (error)
        return 0;
    free(d->old);
    d->old = d->young;
    d->old_steps = d->young_steps;
    d->young = NULL;
    return 1;
}

/* Power fails in operation `cut`, then `more` times again soon after each start. Returns 0 when it never failed. */
static int cut_at(const char *path, uint32_t write_len, uint8_t erased, uint32_t cut, enum torn torn, uint32_t more) {
    struct device d = device(path, write_len, erased);
    uint32_t random = cut, failed = 0;
    sim_power_on(d.f, cut, torn);
    for (uint32_t i = 0; i < SAVES; i++) {
        if (keep(&d, i))
            continue;
        if (failed++ < more)
            reboot(&d, 1 + sim_random(&random) % 30, (enum torn)(sim_random(&random) % TORN_N));
        else
            reboot(&d, 0, TORN_NOT);
    }
    reboot(&d, 0, TORN_NOT);
    CHECK(d.old_steps == 0 || d.old_steps == SAVES || failed);
    discard(&d);
    return failed != 0;
}

static const uint32_t write_lens[] = {1, 4, 8, 32, 256};

/* Each operation of a series of saves and resets, in each geometry, torn in each way. */
static void cuts(char **path) {
    for (uint32_t w = 0; w < sizeof write_lens / sizeof *write_lens; w++)
        for (int erased = 0; erased < 2; erased++)
            for (int torn = 0; torn < TORN_N; torn++)
                for (uint32_t more = 0; more < 3; more += 2) {
                    uint32_t cut = 1;
                    while (cut_at(path[0], write_lens[w], erased ? 0xff : 0x00, cut, (enum torn)torn, more))
                        cut++;
                    CHECK(cut > SAVES);
                    printf("%u %d %d %u: %u cuts\n", (unsigned)write_lens[w], erased, torn, (unsigned)more,
                           (unsigned)cut - 1);
                }
}

/* Both areas damaged: factory weights, and a reason. One record damaged: the one before. */
static void damage(char **path) {
    struct device d = device(path[0], 4, 0xff);
    struct sdfa_stored info;
    for (uint32_t i = 0; i < 3; i++)
        CHECK(keep(&d, i));
    drift(&d, 9);
    CHECK(sdfa_save(&d.n.s, &d.f->flash) == SDFA_ERR_OK);
    CHECK(sdfa_store_look(&d.n.s, &d.f->flash, &info) == SDFA_ERR_OK);
    CHECK(sdfa_load(&d.n.s, &d.f->flash) == SDFA_ERR_OK);
    CHECK(info.sequence == 4 && info.steps == 10 && info.broken == 0 && info.erases == 1);
    for (uint32_t i = 0; i < d.f->flash.len; i++)
        if (d.f->used[i] && d.f->bytes[i] == d.n.tail[0] && memcmp(d.f->bytes + i, d.n.tail, d.n.tail_len) == 0)
            d.f->bytes[i] ^= 0x10;
    CHECK(sdfa_store_look(&d.n.s, &d.f->flash, &info) == SDFA_ERR_OK);
    CHECK(sdfa_load(&d.n.s, &d.f->flash) == SDFA_ERR_OK);
    CHECK(info.sequence == 3 && info.broken == 1 && holds(&d, d.old, d.old_steps));
    drift(&d, 11);
    CHECK(sdfa_save(&d.n.s, &d.f->flash) == SDFA_ERR_OK);
    CHECK(sdfa_store_look(&d.n.s, &d.f->flash, &info) == SDFA_ERR_OK);
    CHECK(sdfa_load(&d.n.s, &d.f->flash) == SDFA_ERR_OK && info.sequence == 5 && info.steps == 12);
    for (uint32_t i = 0; i < d.f->flash.len; i++)
        d.f->bytes[i] ^= (uint8_t)(1u << (i % 8));
    CHECK(sdfa_store_look(&d.n.s, &d.f->flash, &info) == SDFA_ERR_OK);
    CHECK(sdfa_load(&d.n.s, &d.f->flash) == SDFA_ERR_STORE_DAMAGED);
    CHECK(memcmp(d.n.tail, d.n.s.factory, d.n.tail_len) == 0 && info.sequence == 0);
    CHECK(sdfa_save(&d.n.s, &d.f->flash) == SDFA_ERR_OK && sdfa_load(&d.n.s, &d.f->flash) == SDFA_ERR_OK);
    discard(&d);
}

/* Arbitrary bytes in flash: an answer, and a store that works again after a format. */
static void noise(char **path) {
    struct device d = device(path[0], 8, 0xff);
    uint32_t random = 5;
    for (uint32_t round = 0; round < 2000; round++) {
        int error;
        if (round % 4 == 0)
            CHECK(sdfa_format(&d.f->flash) == SDFA_ERR_OK && sdfa_save(&d.n.s, &d.f->flash) == SDFA_ERR_OK);
        for (uint32_t i = 0; i < 1 + round % 64; i++)
            d.f->bytes[sim_random(&random) % d.f->flash.len] ^= (uint8_t)sim_random(&random);
        error = sdfa_load(&d.n.s, &d.f->flash);
        CHECK(error == SDFA_ERR_OK || error == SDFA_ERR_STORE_EMPTY || error == SDFA_ERR_STORE_DAMAGED);
    }
    discard(&d);
}

/* As many saves as it says, then the flash is worn out and not before. */
static void lifetime(char **path) {
    struct net n = opened(path[0]);
    struct flash_sim *f = sim_new(1024, 256, 4, 0xff, 20);
    struct sdfa_stored info;
    CHECK(sdfa_store_look(&n.s, &f->flash, &info) == SDFA_ERR_OK);
    CHECK(sdfa_load(&n.s, &f->flash) == SDFA_ERR_STORE_EMPTY && info.erases == 0 && info.saves_n > 0);
    for (uint32_t i = 0; i < info.saves_n; i++)
        CHECK(sdfa_save(&n.s, &f->flash) == SDFA_ERR_OK);
    for (uint32_t i = 0; i < 4; i++)
        CHECK(f->wear[i] == 20);
    CHECK(sdfa_store_look(&n.s, &f->flash, &info) == SDFA_ERR_OK);
    CHECK(sdfa_load(&n.s, &f->flash) == SDFA_ERR_OK && info.erases == 20 && info.free_n == 0);
    CHECK(info.sequence == info.saves_n);
    printf("%u\n", (unsigned)info.saves_n);
    unload(&n);
    sim_free(f);
}

/* Records of another model are neither read nor overwritten. */
static void foreign(char **path) {
    struct device d = device(path[0], 4, 0xff);
    struct net other = opened(path[1]);
    struct sdfa_stored info;
    uint8_t *before;
    CHECK(keep(&d, 0));
    before = copy(d.f->bytes, d.f->flash.len);
    CHECK(sdfa_store_look(&other.s, &d.f->flash, &info) == SDFA_ERR_OK && info.foreign == 1 && info.sequence == 0);
    CHECK(sdfa_store_look(&d.n.s, &d.f->flash, &info) == SDFA_ERR_OK && info.foreign == 0 && info.sequence == 1);
    CHECK(sdfa_load(&other.s, &d.f->flash) == SDFA_ERR_STORE_MODEL);
    CHECK(memcmp(other.tail, other.s.factory, other.tail_len) == 0);
    REFUSED(&other, sdfa_save(&other.s, &d.f->flash), SDFA_ERR_STORE_MODEL);
    REFUSED(&other, sdfa_forget(&other.s, &d.f->flash), SDFA_ERR_STORE_MODEL);
    CHECK(memcmp(before, d.f->bytes, d.f->flash.len) == 0);
    CHECK(sdfa_format(&d.f->flash) == SDFA_ERR_OK);
    CHECK(sdfa_save(&other.s, &d.f->flash) == SDFA_ERR_OK && sdfa_load(&other.s, &d.f->flash) == SDFA_ERR_OK);
    CHECK(sdfa_load(&d.n.s, &d.f->flash) == SDFA_ERR_STORE_MODEL);
    free(before);
    unload(&other);
    discard(&d);
}

static int never(void *context, uint32_t off, void *to, uint32_t len) {
    (void)context;
    (void)off;
    (void)to;
    (void)len;
    return 1;
}

/* What cannot work is refused before flash or net is touched. */
static void refusals(char **path) {
    struct net n = opened(path[0]), frozen = opened_frozen(path[0]);
    struct flash_sim *f = sim_new(1024, 256, 4, 0xff, 20);
    struct sdfa_flash bad = f->flash;
    REFUSED(&frozen, sdfa_save(&frozen.s, &f->flash), SDFA_ERR_FROZEN);
    REFUSED(&frozen, sdfa_load(&frozen.s, &f->flash), SDFA_ERR_FROZEN);
    REFUSED(&frozen, sdfa_forget(&frozen.s, &f->flash), SDFA_ERR_FROZEN);
    bad.read = never;
    REFUSED(&n, sdfa_load(&n.s, &bad), SDFA_ERR_FLASH);
    REFUSED(&n, sdfa_save(&n.s, &bad), SDFA_ERR_FLASH);
    for (uint32_t i = 0; i < 6; i++) {
        bad = f->flash;
        bad.write_len = i == 0 ? 0 : i == 1 ? 257 : i == 2 ? 100 : 4;
        bad.sector_len = i == 3 ? 2 : i == 4 ? 64 : 256;
        bad.len = i == 4 ? 128 : i == 5 ? 300 : 1024;
        REFUSED(&n, sdfa_save(&n.s, &bad), SDFA_ERR_STORE_GEOMETRY);
        REFUSED(&n, sdfa_load(&n.s, &bad), SDFA_ERR_STORE_GEOMETRY);
    }
    CHECK(f->ops == 0);
    unload(&n);
    unload(&frozen);
    sim_free(f);
}

/* A program that fails leaves the older record; the next save goes around it. */
static void worn(char **path) {
    struct device d = device(path[0], 4, 0xff);
    for (uint32_t i = 0; i < 3; i++)
        CHECK(keep(&d, i));
    sim_power_on(d.f, 5, TORN_HALF);
    CHECK(!keep(&d, 5));
    sim_power_on(d.f, 0, TORN_NOT); /* the driver works again, without a restart */
    CHECK(keep(&d, 6));
    reboot(&d, 0, TORN_NOT);
    CHECK(d.old_steps == 7);
    discard(&d);
}

static const struct {
    const char *name;
    void (*run)(char **path);
} cases[] = {
    {"cuts", cuts},       {"damage", damage},     {"noise", noise}, {"lifetime", lifetime},
    {"foreign", foreign}, {"refusals", refusals}, {"worn", worn},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 2 && i < sizeof cases / sizeof *cases; i++)
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run(argv + 2);
            return 0;
        }
    fprintf(stderr, "usage: store CASE IMAGE...\n");
    return 2;
}
