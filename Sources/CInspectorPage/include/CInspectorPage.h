#ifndef MILEPOST_INSPECTOR_PAGE_H
#define MILEPOST_INSPECTOR_PAGE_H

#include <stddef.h>

struct milepost_page {
    const void *start;
    size_t count;
};

/// The inspector's page: HTML in UTF-8 with one style and one script in it, made of the files of `page/`.
struct milepost_page milepost_inspector_page(void);

#endif
