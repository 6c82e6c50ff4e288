#include "api_net.h"

#include "sdfa_format.h"

#include <string.h>

#define MEMORY_MAX 0x2000000u /* an image that asks for more must be refused */

void *block(size_t len) {
    void *made = malloc(len ? len : 1);
    CHECK(made);
    return made;
}

static void read_file(struct net *n, const char *path) {
    FILE *f = fopen(path, "rb");
    CHECK(f && fseek(f, 0, SEEK_END) == 0);
    n->image_len = (size_t)ftell(f);
    rewind(f);
    n->image = block(n->image_len);
    CHECK(fread(n->image, 1, n->image_len, f) == n->image_len);
    fclose(f);
}

struct net load(const char *path) {
    struct net n;
    struct sdfa_header h;
    memset(&n, 0, sizeof n);
    memset(&h, 0, sizeof h);
    read_file(&n, path);
    memcpy(&h, n.image, n.image_len < sizeof h ? n.image_len : sizeof h);
    n.arena_len = h.arena_len < MEMORY_MAX ? h.arena_len : MEMORY_MAX;
    n.tail_len = h.tail_len < MEMORY_MAX ? h.tail_len : MEMORY_MAX;
    n.arena = block(n.arena_len);
    n.tail = block(n.tail_len);
    memset(n.arena, 0xa5, n.arena_len);
    memset(n.tail, 0x5a, n.tail_len);
    return n;
}

void unload(struct net *n) {
    free(n->image);
    free(n->arena);
    free(n->tail);
}

int open_with(struct net *n, const struct sdfa_kernels *kernels, int learns) {
    return sdfa_open(&n->s, n->image, n->image_len, kernels, n->arena, n->arena_len, learns ? n->tail : NULL,
                     learns ? n->tail_len : 0);
}

struct net opened(const char *path) {
    struct net n = load(path);
    CHECK(open_with(&n, &sdfa_all_kernels, 1) == SDFA_ERR_OK);
    return n;
}

struct net opened_frozen(const char *path) {
    struct net n = load(path);
    CHECK(open_with(&n, &sdfa_all_kernels, 0) == SDFA_ERR_OK);
    return n;
}

void run(struct net *n, uint32_t i) {
    for (uint32_t j = 0; j < n->s.input_len; j++)
        sdfa_input(&n->s)[j] = (int8_t)((i * 7919u + j * 104729u + i * j * 31u) >> 2);
    sdfa_run(&n->s);
}

void teach(struct net *n, uint32_t steps) {
    for (uint32_t i = 0; i < steps; i++) {
        run(n, i);
        CHECK(sdfa_learn(&n->s, i % n->s.class_n) == SDFA_ERR_OK);
    }
}

uint8_t *copy(const uint8_t *from, size_t len) {
    uint8_t *to = block(len);
    memcpy(to, from, len);
    return to;
}

struct shot shoot(const struct net *n) {
    struct shot shot;
    memcpy(&shot.s, &n->s, sizeof shot.s);
    shot.arena = copy(n->arena, n->arena_len);
    shot.tail = copy(n->tail, n->tail_len);
    return shot;
}

int unchanged(const struct net *n, struct shot shot) {
    int same = memcmp(&shot.s, &n->s, sizeof shot.s) == 0 && memcmp(shot.arena, n->arena, n->arena_len) == 0 &&
               memcmp(shot.tail, n->tail, n->tail_len) == 0;
    free(shot.arena);
    free(shot.tail);
    return same;
}
