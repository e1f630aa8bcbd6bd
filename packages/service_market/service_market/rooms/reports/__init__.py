"""What services tell of their own accord: the call-backs that they are given, and the events that come by them."""
