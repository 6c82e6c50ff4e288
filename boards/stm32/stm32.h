/* What the port needs of STM32F1 and STM32F4, whose serial ports and flash controllers are alike (RM0008, PM0075, RM0090,
 * RM0390). What is different stands in family.h of the family; regions and names in board.h of the board. */
#ifndef STM32_H
#define STM32_H

#include <stdint.h>

#ifndef STM32_REGISTER
#define STM32_REGISTER volatile uint32_t /* a test puts a model of the chip in its place */
#endif

struct stm32_usart {
    STM32_REGISTER SR, DR, BRR, CR1;
};
enum { USART_RXNE = 1 << 5, USART_ORE = 1 << 3, USART_TXE = 1 << 7 };
enum { USART_ENABLE = 1 << 13 | 1 << 3 | 1 << 2 }; /* UE, TE, RE */

/* AR: of STM32F1 only. */
struct stm32_flash {
    STM32_REGISTER ACR, KEYR, OPTKEYR, SR, CR, AR;
};

static inline volatile uint32_t *stm32_register(uint32_t address) {
    return (volatile uint32_t *)(uintptr_t)address;
}

#endif
