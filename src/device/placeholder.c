typedef int placeholder_device;
