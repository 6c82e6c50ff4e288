/* Stand-in for ESP-IDF. */
#include <stddef.h>

#include "cells.h"

typedef int esp_err_t;
enum { ESP_OK = 0 };
typedef enum { ESP_PARTITION_TYPE_DATA = 1 } esp_partition_type_t;
typedef enum { ESP_PARTITION_SUBTYPE_DATA_SPIFFS = 0x82 } esp_partition_subtype_t;
typedef struct {
    uint32_t size;
} esp_partition_t;

static inline const esp_partition_t *esp_partition_find_first(esp_partition_type_t, esp_partition_subtype_t,
                                                              const char *) {
    static const esp_partition_t whole = {CELLS_LEN};

    cells_erase(0, CELLS_LEN);
    return &whole;
}

static inline esp_err_t esp_partition_read(const esp_partition_t *, size_t at, void *to, size_t len) {
    return cells_read(to, (uint32_t)at, (uint32_t)len);
}

static inline esp_err_t esp_partition_write(const esp_partition_t *, size_t at, const void *from, size_t len) {
    return cells_program(from, (uint32_t)at, (uint32_t)len);
}

static inline esp_err_t esp_partition_erase_range(const esp_partition_t *, size_t at, size_t len) {
    return cells_erase((uint32_t)at, (uint32_t)len);
}
