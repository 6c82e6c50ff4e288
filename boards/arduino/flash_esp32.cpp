/* Learned weights of an ESP32: the first bytes of its data partition `spiffs`, which the default tables of partitions
 * have; a program that has files there must take another one. */
#if defined(ARDUINO_ARCH_ESP32)

#include <esp_partition.h>

#include "flash.h"

enum { STORE_LEN = 65536, SECTOR_LEN = 4096, WRITE_LEN = 32 };

static const esp_partition_t *partition;
static uint32_t unit[WRITE_LEN / 4];

void flash_start(void) {
    partition = esp_partition_find_first(ESP_PARTITION_TYPE_DATA, ESP_PARTITION_SUBTYPE_DATA_SPIFFS, nullptr);
}

static int read(void *, uint32_t off, void *to, uint32_t len) {
    return !partition || esp_partition_read(partition, off, to, len) != ESP_OK;
}

static int program(void *, uint32_t off, const void *from) {
    return !partition || esp_partition_write(partition, off, from, WRITE_LEN) != ESP_OK;
}

static int erase(void *, uint32_t off) {
    return !partition || esp_partition_erase_range(partition, off, SECTOR_LEN) != ESP_OK;
}

extern "C" const struct sdfa_flash flash_store = {
    read, program, erase, nullptr, (uint8_t *)unit, STORE_LEN, SECTOR_LEN, 100000, 400000, WRITE_LEN, 0xff,
};

#endif
