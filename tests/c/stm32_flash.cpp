// The flash driver of boards/stm32 against a model of the chip's flash controller (PM0075 3, RM0090 3.6), at the chip's
// addresses: stm32_flash IMAGE. FAMILY_F1 or FAMILY_F4, and the folders of the board, choose the chip.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

static uint32_t chip_read(uintptr_t address);
static void chip_write(uintptr_t address, uint32_t value);

// In the place of a volatile uint32_t: what it holds is the model's.
class Register {
    uint32_t space;
    uintptr_t address() const {
        return reinterpret_cast<uintptr_t>(this);
    }

  public:
    operator uint32_t() const {
        return chip_read(address());
    }
    void operator=(uint32_t value) {
        chip_write(address(), value);
    }
    void operator|=(uint32_t value) {
        chip_write(address(), chip_read(address()) | value);
    }
    void operator&=(uint32_t value) {
        chip_write(address(), chip_read(address()) & value);
    }
};
#define STM32_REGISTER Register

extern "C" {
#include "api_net.h"
#include "flash.c"
}

enum { SAVES = 12, BUSY_READS = 3, ACR = 0, KEYR = 4, SR = 12, CR = 16, AR = 20 };
static struct {
    uint32_t acr, sr, cr = FLASH_LOCK, ar, key, busy, erases, programs, cache_resets;
    uint32_t fail_at;   // this operation ends with an error
    bool absent, stuck; // there is no controller; it never gets done
    uint8_t before[STORE_LEN];
} chip;
static uint8_t *const memory = reinterpret_cast<uint8_t *>(static_cast<uintptr_t>(STORE_ORIGIN));

static void begin_operation() {
    chip.busy = BUSY_READS;
    if (chip.fail_at && chip.erases + chip.programs == chip.fail_at)
        chip.sr |= FLASH_ERRORS & (0u - FLASH_ERRORS);
}

// A store of the processor has changed memory: right if it was one unit, erased, in a controller that programs.
static void see_store() {
    uint32_t off = 0;
    if (chip.busy || !memcmp(memory, chip.before, STORE_LEN))
        return;
    while (memory[off] == chip.before[off])
        off++;
    off -= off % sizeof(flash_unit);
    CHECK((chip.cr & (FLASH_LOCK | FLASH_PROGRAM)) == FLASH_PROGRAM && !(chip.cr & FLASH_START) && !chip.busy);
    for (uint32_t i = 0; i < sizeof(flash_unit); i++)
        CHECK(chip.before[off + i] == 0xff);
    memcpy(chip.before + off, memory + off, sizeof(flash_unit));
    CHECK(!memcmp(memory, chip.before, STORE_LEN));
    chip.programs++;
    begin_operation();
}

static uint32_t sector_off() {
#if defined(FAMILY_F1)
    return chip.ar - STORE_ORIGIN;
#else
    return ((chip.cr >> 3 & 15) - STORE_SECTOR) * FLASH_SECTOR_LEN;
#endif
}

static void erase_sector() {
    uint32_t off = sector_off();
    CHECK(off % FLASH_SECTOR_LEN == 0 && off < STORE_LEN && !chip.busy);
    CHECK((chip.cr & FLASH_ERASE) == FLASH_ERASE && !(chip.cr & 1)); // not PG at the same time
    memset(memory + off, 0xff, FLASH_SECTOR_LEN);
    memset(chip.before + off, 0xff, FLASH_SECTOR_LEN);
    chip.erases++;
    begin_operation();
}

static uint32_t chip_read(uintptr_t address) {
    if (chip.cr & 1)
        see_store();
    if (chip.absent)
        return 0;
    switch (address & 0xff) {
    case ACR:
        return chip.acr;
    case SR:
        if (!chip.busy)
            return chip.sr;
        chip.busy -= !chip.stuck;
        return chip.sr | FLASH_BUSY;
    case CR:
        return chip.cr;
    default:
        return 0;
    }
}

static void write_key(uint32_t key) {
    CHECK(key == (chip.key ? 0xcdef89abu : 0x45670123u)); // another one locks the chip until it is reset
    chip.key = !chip.key;
    if (!chip.key)
        chip.cr &= ~FLASH_LOCK;
}

static void write_control(uint32_t value) {
    if (chip.cr & FLASH_LOCK)
        return;
    chip.cr = value;
    if (value & FLASH_START && !(value & FLASH_LOCK))
        erase_sector();
    chip.cr &= ~static_cast<uint32_t>(FLASH_START);
}

static void chip_write(uintptr_t address, uint32_t value) {
    if ((address & 0xff) == CR)
        see_store();
    if (chip.absent)
        return;
    switch (address & 0xff) {
    case ACR:
        chip.cache_resets += (value & ~chip.acr & 1u << 12) != 0;
        chip.acr = value;
        break;
    case KEYR:
        write_key(value);
        break;
    case SR:
        chip.sr &= ~value;
        break;
    case CR:
        write_control(value);
        break;
    case AR:
        chip.ar = value;
        break;
    default:
        CHECK(!"another register");
    }
}

static void put(uintptr_t address, size_t len) {
    void *wanted = reinterpret_cast<void *>(address & ~0xfffffful);
    CHECK(mmap(wanted, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
          wanted);
}

static void changed(struct net *n, uint32_t steps) {
    teach(n, steps);
    CHECK(sdfa_save(&n->s, &flash_store) == SDFA_ERR_OK);
}

static void loads(struct net *n, uint32_t steps) {
    CHECK(sdfa_load(&n->s, &flash_store) == SDFA_ERR_OK && n->s.stats.steps == steps);
    CHECK((chip.cr & FLASH_LOCK) != 0);
}

int main(int, char **argv) {
    put(STORE_ORIGIN, 1 << 24);
    put(reinterpret_cast<uintptr_t>(FAMILY_FLASH), 1 << 20);
    memset(memory, 0x5a, STORE_LEN); // what a program has left there
    memcpy(chip.before, memory, STORE_LEN);
    struct net n = opened(argv[1]);
    CHECK(sdfa_load(&n.s, &flash_store) == SDFA_ERR_STORE_DAMAGED);
#if defined(FAMILY_F4)
    chip.acr = 1u << 10;
#endif
    // an area is erased before its first record
    const uint32_t slots = (STORE_LEN / 2 - 32) / (n.s.tail_len + 48), sectors = STORE_LEN / 2 / FLASH_SECTOR_LEN;
    const uint32_t expected = (SAVES + slots - 1) / slots * sectors;
    struct sdfa_stored stored;
    for (uint32_t i = 1; i <= SAVES; i++) {
        changed(&n, 1);
        loads(&n, i);
    }
    CHECK(sdfa_store_look(&n.s, &flash_store, &stored) == SDFA_ERR_OK && stored.sequence == SAVES);
    CHECK(chip.erases == expected && chip.programs > SAVES * n.s.tail_len / sizeof(flash_unit) / 2);
    CHECK(chip.acr == 0 || chip.cache_resets >= chip.erases + chip.programs); // units of ones are not seen
    chip.fail_at = chip.erases + chip.programs + 3; // refused by the chip: the older record stays, the next save works
    teach(&n, 1);
    CHECK(sdfa_save(&n.s, &flash_store) == SDFA_ERR_FLASH);
    loads(&n, SAVES);
    changed(&n, 2);
    loads(&n, SAVES + 2);
    chip.stuck = true; // never done: an error, no hang
    CHECK(sdfa_save(&n.s, &flash_store) == SDFA_ERR_FLASH);
    chip.stuck = false;
    chip.busy = 0;
    chip.absent = true;
    CHECK(sdfa_save(&n.s, &flash_store) == SDFA_ERR_FLASH);
    chip.absent = false;
    loads(&n, SAVES + 2);
    CHECK(sdfa_format(&flash_store) == SDFA_ERR_OK);
    CHECK(sdfa_load(&n.s, &flash_store) == SDFA_ERR_STORE_EMPTY);
    unload(&n);
    return 0;
}
