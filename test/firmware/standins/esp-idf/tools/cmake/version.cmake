# See ../../include/esp_err.h.
set(IDF_VERSION_MAJOR 5)
set(IDF_VERSION_MINOR 3)
set(IDF_VERSION_PATCH 0)
