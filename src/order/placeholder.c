typedef int placeholder_order;
