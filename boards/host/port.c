/* Host port of the batch program: port IMAGE REQUESTS REPLIES.
 *
 * The image and each block of memory is a heap block of exactly its size, so that a sanitizer sees every byte too far.
 */
#include <stdio.h>
#include <stdlib.h>

#include "app.h"

enum { BLOCK_MAX = 8 }; /* arena, tail, targets, ring, counts of classes, hold-out samples, copy of the tail */

static struct {
    FILE *requests;
    FILE *replies;
    void *image;
    uint32_t image_len;
    void *block[BLOCK_MAX];
    uint32_t block_n;
    uint32_t taken_len;
} host;

static void fail(const char *what) {
    perror(what);
    exit(APP_EXIT_IO);
}

static FILE *open_file(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);

    if (!file)
        fail(path);
    return file;
}

static uint32_t file_len(FILE *file, const char *path) {
    long len = -1;

    if (!fseek(file, 0, SEEK_END))
        len = ftell(file);
    if (len < 0 || fseek(file, 0, SEEK_SET))
        fail(path);
    return (uint32_t)len;
}

static void load_image(const char *path) {
    FILE *file = open_file(path, "rb");

    host.image_len = file_len(file, path);
    host.image = malloc(host.image_len);
    if (host.image_len && (!host.image || fread(host.image, host.image_len, 1, file) != 1))
        fail(path);
    fclose(file);
}

bool app_read(void *data, uint32_t len) {
    return len == 0 || fread(data, len, 1, host.requests) == 1;
}

void app_write(const void *data, uint32_t len) {
    if (len && fwrite(data, len, 1, host.replies) != 1)
        fail("replies");
}

const void *app_image(uint32_t *len_max) {
    *len_max = host.image_len;
    return host.image;
}

void *app_take(uint32_t len) {
    void *block = host.block_n < BLOCK_MAX ? malloc(len) : NULL;

    if (block) {
        host.block[host.block_n++] = block;
        host.taken_len += len;
    }
    return block;
}

void app_release(void) {
    while (host.block_n > 0)
        free(host.block[--host.block_n]);
    host.taken_len = 0;
}

uint32_t app_stack_len(void) {
    return 0;
}

uint32_t app_pool_len(void) {
    return host.taken_len;
}

bool app_count(void) {
    return false;
}

void app_section_begin(void) {
}

uint32_t app_section_end(uint32_t *stack_len) {
    *stack_len = 0;
    return 0;
}

void app_probe(void) {
}

int main(int argc, char **argv) {
    int result;

    if (argc != 4) {
        fprintf(stderr, "usage: %s IMAGE REQUESTS REPLIES\n", argv[0]);
        return APP_EXIT_IO;
    }
    load_image(argv[1]);
    host.requests = open_file(argv[2], "rb");
    host.replies = open_file(argv[3], "wb");
    result = app_main();
    fclose(host.requests);
    if (fclose(host.replies))
        fail(argv[3]);
    app_release();
    free(host.image);
    return result;
}
