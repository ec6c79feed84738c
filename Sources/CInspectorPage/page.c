#include "CInspectorPage.h"

// One after the other they are one page; the scripts share one scope, and app.js begins.
static const unsigned char page[] = {
#embed "page/head.html"
,
#embed "page/style.css"
,
#embed "page/style-checkpoint.css"
,
#embed "page/body.html"
,
#embed "page/dom.js"
,
#embed "page/server.js"
,
#embed "page/texts.js"
,
#embed "page/values.js"
,
#embed "page/messages.js"
,
#embed "page/threads.js"
,
#embed "page/lanes.js"
,
#embed "page/stops.js"
,
#embed "page/history.js"
,
#embed "page/checkpoint.js"
,
#embed "page/changes.js"
,
#embed "page/sizes.js"
,
#embed "page/actions.js"
,
#embed "page/app.js"
,
#embed "page/tail.html"
};

struct milepost_page milepost_inspector_page(void) {
    return (struct milepost_page){page, sizeof page};
}
