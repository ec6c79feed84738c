#include "CDictionary.h"

static const unsigned char dictionary_1[] = {
#embed "dictionary-1"
};

struct milepost_dictionary milepost_dictionary_1(void) {
    return (struct milepost_dictionary){dictionary_1, sizeof dictionary_1};
}
