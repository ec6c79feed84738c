#ifndef MILEPOST_DICTIONARY_H
#define MILEPOST_DICTIONARY_H

#include <stddef.h>

struct milepost_dictionary {
    const void *start;
    size_t count;
};

/// The dictionary of encoding 4, which scripts/train-dictionary made. It can never change.
struct milepost_dictionary milepost_dictionary_1(void);

#endif
