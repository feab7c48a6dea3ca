typedef int placeholder_slot;
